use jsonschema::Validator;
use serde_json::Map;

use super::*;
use crate::report::tests::{course, report};

fn schema(name: &str) -> Validator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("forms");
    let text = std::fs::read_to_string(folder.join(format!("{name}.schema.json"))).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// The form is valid, and is not without any one of `needed`, or with another value there.
fn check(name: &str, form: &Value, needed: &[&str]) {
    let schema = schema(name);
    let errors: Vec<String> = schema.iter_errors(form).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    for field in needed {
        let (place, field) = field.rsplit_once('/').unwrap();
        for change in [
            |o: &mut Map<_, _>, f| _ = o.remove(f),
            |o: &mut Map<_, _>, f| _ = o.insert(String::from(f), json!(["x"])),
        ] {
            let mut broken = form.clone();
            change(broken.pointer_mut(place).unwrap().as_object_mut().unwrap(), field);
            assert!(!schema.is_valid(&broken), "{name} does not need {place}/{field}");
        }
    }
    let mut more = form.clone();
    more.as_object_mut().unwrap().insert("marks".into(), json!(1));
    assert!(!schema.is_valid(&more), "{name} takes any field");
}

fn sum(form: &Value, field: &str) -> u64 {
    let tests = form["tests"].as_array().unwrap();
    tests.iter().map(|test| test[field].as_u64().unwrap()).sum()
}

#[test]
fn gradescope_takes_its_form() {
    let (course, report) = (course(), report());
    for language in [Language::En, Language::Zh] {
        let form = report.gradescope(&course, language);
        check("gradescope", &form, &[]);
        assert_eq!(form["score"], json!(report.points().0));
        assert_eq!(sum(&form, "score"), u64::from(report.points().0));
        assert_eq!(sum(&form, "max_score"), u64::from(report.points().1));
    }
    let form = report.gradescope(&course, Language::En);
    let with = |field: &str, value: Value| {
        let mut form = form.clone();
        form["tests"][0][field] = value;
        schema("gradescope").is_valid(&form)
    };
    assert!(with("status", json!("passed")));
    assert!(!with("status", json!("pass")));
    assert!(!with("score", json!("4")));
    assert!(!with("visibility", json!("shown")));
    assert!(!schema("gradescope").is_valid(&json!({})));
    assert_eq!(form["tests"][1]["number"], "1.2");
    assert_eq!(form["tests"][1]["status"], "failed");
    assert!(form["tests"][1]["output"].as_str().unwrap().contains("expected: type OUT (1)"));
}

#[test]
fn github_takes_its_form_with_partial_credit() {
    let (course, mut report) = (course(), report());
    let form = report.github(&course, Language::En);
    let needed = ["/version", "/status", "/max_score", "/tests", "/tests/0/score"];
    check("github", &form, &needed);
    // The reporter adds the scores of the tests up.
    assert_eq!(sum(&form, "score"), u64::from(report.points().0));
    assert_eq!(form["max_score"], json!(report.points().1));
    assert_eq!(form["status"], "error", "one check was not graded");
    report.exercises.retain(|exercise| exercise.number == 2);
    assert_eq!(report.github(&course, Language::En)["status"], "fail");
}

#[test]
fn classroom50_takes_its_form() {
    let (course, report) = (course(), report());
    let date = "2027-03-01T10:00:00Z";
    let surroundings = |name: &str| match name {
        "REVIEW_URL" => Some(String::new()),
        "ASSIGNMENT_TYPE" => Some("individual".to_owned()),
        _ => Some(format!("https://example.org/{name}")),
    };
    let form = report.classroom50(&course, Language::En, date, surroundings).unwrap();
    let needed = [
        "/schema",
        "/classroom",
        "/assignment",
        "/submission",
        "/commit",
        "/release",
        "/review",
        "/datetime",
        "/score",
        "/max-score",
        "/tests",
        "/tests/0/test-name",
        "/tests/0/passed",
        "/tests/0/score",
        "/tests/0/max-score",
    ];
    check("classroom50", &form, &needed);
    assert_eq!(form["review"], form["commit"]);
    assert_eq!(sum(&form, "score"), form["score"].as_u64().unwrap());
    let nothing = report.classroom50(&course, Language::En, date, |_| None).unwrap_err();
    assert!(nothing.to_string().contains("CLASSROOM is not set"), "{nothing}");
}

#[test]
fn what_the_host_failed_at_is_not_reported_as_missing_points() {
    let (course, report) = (course(), report());
    for form in [Form::Gradescope, Form::Classroom50] {
        let error = report.print(form, Path::new("."), &course, Language::En).unwrap_err();
        assert!(error.to_string().contains("the host stood in the way"), "{error}");
    }
}
