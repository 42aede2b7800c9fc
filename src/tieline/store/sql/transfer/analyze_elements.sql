analyze tieline."element"
