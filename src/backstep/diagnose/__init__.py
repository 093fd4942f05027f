"""What is wrong with a training, judged from recorded facts alone: one rule a file, evidence in, finding out."""
