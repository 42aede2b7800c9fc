lock table tieline.company in share row exclusive mode
