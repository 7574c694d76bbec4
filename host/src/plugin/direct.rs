//! Runs of a core module without the component around it.
//!
//! A module is checked, compiled and described as the component that is made of it. For a run that component would cost
//! three instances, two of them only to pass `log` on. So runs call the module itself by the canonical ABI
//! (`CanonicalABI.md` of the component model), of which the contract needs little: records, variants, lists, UTF-8.
//! What a plugin sees, and what it is told when it breaks the rules, is the same as within the component: the order of
//! allocations, the limits, the words. What is not of this simple kind (`compile::plain`) keeps its component.

mod lift;
mod lower;

use std::borrow::Cow;

use wasmtime::{
    AsContextMut as _, Caller, Engine, Extern, ExternType, InstancePre, Linker, Module, ModuleExport, Store,
    StoreContextMut, Trap, TypedFunc, ValType, bail,
};

use self::lift::Lift;
use self::lower::Lower;
use super::contract::{self, Delivery, Failure, Verdict};
use super::sandbox::{self, Sandbox};

/// The name under which the component gives away the module that it was made of.
pub(super) const EXPORT: &str = "hookwright-module";
pub(super) const MEMORY: &str = "memory";
const REALLOC: &str = "cabi_realloc";

/// A module, linked: what is left to do is a fresh instance.
#[derive(Clone)]
pub(super) struct Direct {
    pre: InstancePre<Sandbox>,
    memory: ModuleExport,
    realloc: ModuleExport,
    transform: ModuleExport,
    /// Is told when the answer was read.
    post_return: Option<ModuleExport>,
}

impl Direct {
    /// None: it is not of the simple kind.
    pub(super) fn of(linker: &Linker<Sandbox>, module: &Module) -> Option<Self> {
        let transform = format!("{}#{}", contract::TRANSFORMER_INTERFACE, contract::TRANSFORM);
        let post_return = format!("cabi_post_{transform}");
        module.get_export(MEMORY)?.memory().filter(|memory| !memory.is_64() && !memory.is_shared())?;
        let function = |name: &str, numbers: usize, results: usize| {
            let ExternType::Func(found) = module.get_export(name)? else { return None };
            let all_i32 = found.params().chain(found.results()).all(|value| matches!(value, ValType::I32));
            let fits = all_i32 && (found.params().len(), found.results().len()) == (numbers, results);
            fits.then(|| module.get_export_index(name)).flatten()
        };
        Some(Self {
            memory: module.get_export_index(MEMORY)?,
            realloc: function(REALLOC, 4, 1)?,
            transform: function(&transform, 1, 1)?,
            post_return: match module.get_export(&post_return) {
                Some(_) => Some(function(&post_return, 1, 0)?),
                None => None,
            },
            // Not with imports of another minor version, nor with WASI.
            pre: linker.instantiate_pre(module).ok()?,
        })
    }

    pub(super) fn transform(
        &self,
        store: &mut Store<Sandbox>,
        delivery: &Delivery<'_>,
    ) -> wasmtime::Result<Result<Verdict, Failure>> {
        let instance = self.pre.instantiate(&mut *store)?;
        let mut export = |export: &ModuleExport| instance.get_module_export(&mut *store, export);
        let memory = export(&self.memory).and_then(Extern::into_memory);
        let function = |export: Option<Extern>| export.and_then(Extern::into_func);
        let [realloc, transform] = [&self.realloc, &self.transform].map(|name| function(export(name)));
        let post_return = self.post_return.as_ref().and_then(|name| function(export(name)));
        let (Some(memory), Some(realloc), Some(transform)) = (memory, realloc, transform) else {
            bail!("the module does not export what it did when it was loaded");
        };
        let transform: TypedFunc<u32, u32> = transform.typed(&*store)?;
        let post_return: Option<TypedFunc<u32, ()>> =
            post_return.map(|function| function.typed(&*store)).transpose()?;

        // While arguments and answer pass, a plugin may call nobody.
        store.data_mut().may_call = false;
        let argument = Lower { realloc: realloc.typed(&*store)?, memory, store: &mut *store }.delivery(delivery)?;
        store.data_mut().may_call = true;
        let answer = transform.call(&mut *store, argument)?;
        store.data_mut().may_call = false;
        let outcome = Lift::new(memory.data(&*store), store.hostcall_fuel()).outcome(answer)?;
        if let Some(post_return) = post_return {
            post_return.call(&mut *store, answer)?;
        }
        Ok(outcome)
    }
}

/// Offers the host's functions to every module.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(contract::HOST_INTERFACE, "log", log)?;
    linker.func_wrap(contract::HOST_INTERFACE, "now-ms", |mut caller: Caller<'_, Sandbox>| {
        sandbox::now_ms(&mut permitted(&mut caller)?)
    })?;
    linker.func_wrap(contract::HOST_INTERFACE, "random-u64", |mut caller: Caller<'_, Sandbox>| {
        sandbox::random_u64(&mut permitted(&mut caller)?)
    })?;
    Ok(linker)
}

fn log(mut caller: Caller<'_, Sandbox>, level: u32, at: u32, length: u32) -> wasmtime::Result<()> {
    let memory = caller.get_export(MEMORY).and_then(Extern::into_memory);
    let mut store = permitted(&mut caller)?;
    let Some(memory) = memory else { bail!("the module does not export its memory") };
    let level = lift::level(level)?;
    // What is nowhere costs nothing, as within a component.
    Lift::new(memory.data(&store), store.hostcall_fuel()).text(at, length)?;
    sandbox::log(&mut store, level, |store| {
        let text = Lift::new(memory.data(store), store.hostcall_fuel()).text(at, length)?;
        Ok(Cow::Borrowed(str::from_utf8(text)?))
    })
}

/// The store of a caller that may call.
fn permitted<'a>(caller: &'a mut Caller<'_, Sandbox>) -> wasmtime::Result<StoreContextMut<'a, Sandbox>> {
    let store = caller.as_context_mut();
    if store.data().may_call { Ok(store) } else { Err(Trap::CannotLeaveComponent.into()) }
}
