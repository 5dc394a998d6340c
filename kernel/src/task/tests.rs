//! OSTD's own scheduler runs these, on one CPU: it is there before a test could put another in place.

use alloc::{boxed::Box, string::String, vec};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ostd::prelude::ktest;

use super::*;

fn on_this_cpu<R: Send + 'static>(
    data: impl Any + Send + Sync,
    run: impl FnOnce() -> R + Send + 'static,
) -> JoinHandle<R> {
    Builder::new("test").on(CpuId::bsp()).data(data).spawn(run).unwrap()
}

#[ktest]
fn a_task_has_its_own_data() {
    let number = |data: u32| {
        on_this_cpu(data, || {
            let before = current_data::<u32>();
            Task::yield_now();
            (before, current_data::<u32>())
        })
    };
    let tasks = [number(3), number(4)];
    let seen = tasks.map(|task| {
        let (before, after) = task.join();
        (before.as_deref().copied(), after.as_deref().copied())
    });
    assert_eq!(seen, [(Some(3), Some(3)), (Some(4), Some(4))]);
}

#[ktest]
fn data_of_another_type_are_none() {
    let task = on_this_cpu(String::from("text"), || {
        (current_data::<u32>().is_some(), current_data::<String>().map(|text| text.len()))
    });
    assert_eq!(task.join(), (false, Some(4)));
    assert_eq!(on_this_cpu((), current_data::<()>).join().as_deref(), Some(&()));
    // The task that runs this test was not started by a `Builder`.
    assert!(current_data::<()>().is_none());
}

#[ktest]
fn data_live_as_long_as_the_task() {
    let data = Arc::new(());
    let weak = Arc::downgrade(&data);
    let task = on_this_cpu(data, Task::yield_now);
    Task::yield_now();
    assert!(weak.upgrade().is_some());
    task.join();
    // The task lets go of its data when the CPU has left it for another one.
    Task::yield_now();
    assert!(weak.upgrade().is_none());
}

#[ktest]
fn join_returns_the_result() {
    // Before and after the task has ended.
    let task = on_this_cpu((), || {
        Task::yield_now();
        Box::new(7)
    });
    assert_eq!(*task.join(), 7);
    let task = on_this_cpu((), || Box::new(8));
    Task::yield_now();
    assert_eq!(*task.join(), 8);
}

#[ktest]
fn tasks_are_joined_in_any_order() {
    let [first, second, third] = [1, 2, 3].map(|number| {
        on_this_cpu((), move || {
            (0..number).for_each(|_| Task::yield_now());
            number
        })
    });
    assert_eq!([second.join(), third.join(), first.join()], [2, 3, 1]);
}

#[ktest]
fn a_task_that_nobody_waits_for_runs_on() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    drop(on_this_cpu((), || RUNS.fetch_add(1, Ordering::Relaxed)));
    while RUNS.load(Ordering::Relaxed) == 0 {
        Task::yield_now();
    }
}

#[ktest]
fn results_are_in_the_order_of_the_tasks() {
    // The later ones end first.
    let results = run_in_tasks("test", 5, |number| {
        (number..5).for_each(|_| Task::yield_now());
        number
    });
    assert_eq!(results, Ok(vec![0, 1, 2, 3, 4]));
    assert_eq!(run_in_tasks("test", 0, |number| number), Ok(vec![]));
}

#[ktest]
fn tasks_are_listed_with_name_number_and_state() {
    let find = |name: &str| all().into_iter().find(|entry| entry.name == name);
    assert_eq!(find("sleeper"), None);
    let queue = Arc::new(WaitQueue::new());
    let is_over = Arc::new(AtomicBool::new(false));
    let sleeper = {
        let (queue, is_over) = (queue.clone(), is_over.clone());
        let wait = move || queue.wait_until(|| is_over.load(Ordering::Relaxed).then_some(()));
        Builder::new("sleeper").on(CpuId::bsp()).spawn(wait).unwrap()
    };
    let asker = Builder::new("asker").on(CpuId::bsp()).spawn(all).unwrap();
    let ready = find("sleeper").unwrap();
    assert_eq!((ready.cpu, ready.state), (CpuId::bsp(), State::Ready));
    let seen = asker.join();
    let of = |name: &str| seen.iter().find(|entry| entry.name == name).unwrap();
    assert_eq!((of("sleeper").state, of("asker").state), (State::Asleep, State::Asking));
    assert!(of("sleeper").number < of("asker").number);
    is_over.store(true, Ordering::Relaxed);
    queue.wake_all();
    sleeper.join();
    assert_eq!(find("sleeper"), None);
}

#[ktest]
fn a_task_without_a_cpu_gets_the_one_with_the_fewest_tasks() {
    // There is one CPU in unit tests.
    assert_eq!(Builder::new("anywhere").spawn(|| 5).unwrap().join(), 5);
}

#[ktest]
fn a_checkpoint_gives_way() {
    let turn = Arc::new(AtomicBool::new(false));
    let other = turn.clone();
    drop(on_this_cpu((), move || other.store(true, Ordering::Relaxed)));
    assert_eq!(checkpoint(), Ok(()));
    assert!(turn.load(Ordering::Relaxed));
}

#[ktest]
fn stopped_work_ends_at_its_next_checkpoint_and_takes_nothing_else_along() {
    let (stopped, other) = (Work::default(), Work::default());
    let endless = || {
        let mut rounds = 0;
        while checkpoint().is_ok() && rounds < 1000 {
            rounds += 1;
        }
        rounds
    };
    // A task that it starts is a part of the same work.
    let start = move || {
        let child = Builder::new("child").on(CpuId::bsp()).spawn(endless).unwrap();
        (endless(), child.join())
    };
    let [first, second] = [&stopped, &other]
        .map(|work| Builder::new("test").on(CpuId::bsp()).part_of(work).spawn(start).unwrap());
    Task::yield_now();
    stopped.stop();
    let (parent, child) = first.join();
    assert!(parent < 1000 && child < 1000, "{parent} {child}");
    assert_eq!(second.join(), (1000, 1000));
    // The task that runs this test is a part of no work.
    assert_eq!(checkpoint(), Ok(()));
}
