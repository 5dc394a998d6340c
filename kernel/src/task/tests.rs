//! OSTD's own scheduler runs these, on one CPU: it is there before a test could put another in place.

use alloc::{boxed::Box, string::String, vec};
use core::sync::atomic::{AtomicUsize, Ordering};

use ostd::prelude::ktest;

use super::*;

fn on_this_cpu<R: Send + 'static>(
    data: impl Any + Send + Sync,
    run: impl FnOnce() -> R + Send + 'static,
) -> JoinHandle<R> {
    spawn(CpuId::bsp(), data, run).unwrap()
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
    // The task that runs this test was not started by `spawn`.
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
    let results = run_in_tasks(5, |number| {
        (number..5).for_each(|_| Task::yield_now());
        number
    });
    assert_eq!(results, Ok(vec![0, 1, 2, 3, 4]));
    assert_eq!(run_in_tasks(0, |number| number), Ok(vec![]));
}
