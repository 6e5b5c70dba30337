"""Events as everybody outside gets them, for those who wait for them, and what is not worth telling each time."""
