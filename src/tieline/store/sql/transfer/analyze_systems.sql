analyze tieline."externalSystem"
