analyze tieline."externalIntegrationMapping"
