//! A `ExportType<'a>` does not outlive its module.

use epsilon::ExportType;

fn longer<'a>(value: ExportType<'a>) -> ExportType<'static> {
    value
}

fn main() {}
