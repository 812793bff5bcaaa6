"""Records of flows: nfdump, argus, AWS VPC flow logs."""
