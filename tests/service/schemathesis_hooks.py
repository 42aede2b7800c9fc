"""JSON Schema takes 13.0 for a whole number; in a path it must be sent as 13."""

import schemathesis


@schemathesis.hook
def map_path_parameters(_context, path_parameters):
    """Whole numbers without a point."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in (path_parameters or {}).items()
    }
