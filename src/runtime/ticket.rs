//! A caller that waits for its row. Dropping the ticket cancels the row.

use std::{sync::Arc, time::Instant};

use super::{
    batching::QueuedRow,
    leader::run_as_leader,
    reply::{Completed, SubmitError},
    run_control::RowInterest,
    scheduler::{Enqueued, QueueReply, Scheduler},
};
use crate::telemetry::AbandonStage;

/// One queued row, as long as its caller waits for it.
pub(super) struct QueueTicket<'e> {
    scheduler: &'e Arc<Scheduler>,
    id: u64,
    interest: Arc<RowInterest>,
    /// Whether the row has left the queue and needs no cancelling.
    answered: bool,
}

impl<'e> QueueTicket<'e> {
    /// Waits until the row is answered, leads a run if it is told to, or gives up at the deadline.
    pub(super) async fn wait(
        scheduler: &'e Arc<Scheduler>,
        Enqueued { id, reply, interest }: Enqueued,
        row: QueuedRow,
    ) -> Result<Completed, SubmitError> {
        let mut ticket = Self { scheduler, id, interest, answered: false };
        // If callers run, the watchdog keeps the deadline: a timer for every waiting row would cost each of them.
        let message = if scheduler.uses_workers() {
            tokio::time::timeout_at(row.deadline.into(), reply).await
        } else {
            Ok(reply.await)
        };
        let outcome = match message {
            Ok(Ok(QueueReply::Done(completed, inputs))) => {
                drop(inputs);
                Ok(completed)
            }
            Ok(Ok(QueueReply::BecomeLeader(lease, inputs))) if Instant::now() < row.deadline => {
                run_as_leader(lease, &inputs, row).ok_or(SubmitError::WorkerLost)
            }
            // If it is too late to run, dropping the lease passes the session to the next row.
            Ok(Ok(QueueReply::Expired | QueueReply::BecomeLeader(..))) => {
                ticket.answered = true;
                scheduler.metrics.count_abandoned_row(AbandonStage::Queue);
                return Err(SubmitError::DeadlineExceeded);
            }
            // A worker leaves out a row only after its deadline; before that, its thread was lost.
            Ok(Err(_)) if Instant::now() < row.deadline => Err(SubmitError::WorkerLost),
            Ok(Err(_)) => Err(SubmitError::DeadlineExceeded),
            Err(_) => return Err(SubmitError::DeadlineExceeded),
        };
        // An answer after the deadline is not given: the caller was told when it would be there.
        if outcome.is_ok() && Instant::now() > row.deadline {
            return Err(SubmitError::DeadlineExceeded);
        }
        ticket.answered = true;
        outcome
    }
}

impl Drop for QueueTicket<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let stage = if self.scheduler.lock().remove(self.id) { AbandonStage::Queue } else { AbandonStage::Infer };
        self.interest.unsubscribe();
        self.scheduler.metrics.count_abandoned_row(stage);
    }
}
