"""What is known of devices, and the questions that can be asked about it. Pure: values in, values out."""
