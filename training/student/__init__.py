"""A bundle whose visual encoder is a student: everything else it shares with the bundle of the teacher."""
