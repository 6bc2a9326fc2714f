"""What a learner does: labs started, checked, solved and finished."""
