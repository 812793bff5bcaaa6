"""Records of flows: nfdump, argus, Packetbeat, and the flow logs of AWS, Azure and Google Cloud."""
