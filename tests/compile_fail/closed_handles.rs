//! Engines, modules and instances do not give out what code could be linked with.

use epsilon::{AsEngine, AsModule, Engine, Instance, Module, Store};
use epsilon_runtime::{LinkedModule, Runtime};
use std::sync::Arc;

fn runtime(engine: &Engine) -> &Arc<Runtime> {
    engine.as_ref()
}

fn opened(engine: &Engine) -> &Arc<Runtime> {
    engine.as_engine().runtime()
}

fn linked(module: &Module) -> &Arc<LinkedModule> {
    module.as_ref()
}

fn opened_module(module: &Module) -> &Arc<LinkedModule> {
    module.as_module().module()
}

fn of_instance(store: &Store<()>, instance: Instance) -> &Arc<LinkedModule> {
    instance.linked_module(store)
}

fn of_store(store: &Store<()>) -> &Arc<Runtime> {
    store.runtime()
}

fn main() {}
