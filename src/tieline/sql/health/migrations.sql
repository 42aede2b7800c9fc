select name from tieline.migration
