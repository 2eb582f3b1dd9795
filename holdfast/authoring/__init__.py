"""What users write workflows and tasks with."""
