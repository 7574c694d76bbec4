//! Putting a delivery into a module's memory, laid out as the canonical ABI says.

use wasmtime::{Memory, Store, TypedFunc, bail, format_err};

use crate::plugin::contract::{Delivery, FieldParam, WebhookParam};
use crate::plugin::sandbox::Sandbox;

/// Of a `delivery`.
const DELIVERY: Layout = Layout { size: 112, align: 8 };
/// Of a `field`: two texts.
const FIELD: Layout = Layout { size: 16, align: 4 };
const BYTE: Layout = Layout { size: 1, align: 1 };
/// A pointer and a length stand for a text or a list.
const POINTER_BYTES: usize = 4;

#[derive(Clone, Copy)]
struct Layout {
    size: usize,
    align: u32,
}

/// The module's allocator and where it allocates.
pub(super) struct Lower<'s> {
    pub(super) store: &'s mut Store<Sandbox>,
    pub(super) memory: Memory,
    /// Old address, old size, alignment, new size.
    pub(super) realloc: TypedFunc<(u32, u32, u32, u32), u32>,
}

impl Lower<'_> {
    /// Where it is.
    pub(super) fn delivery(&mut self, delivery: &Delivery<'_>) -> wasmtime::Result<u32> {
        let at = self.allocate(DELIVERY, 1)?;
        self.text(at, delivery.event_id)?;
        self.text(at + 8, delivery.delivery_id)?;
        self.text(at + 16, delivery.event_type)?;
        self.text(at + 24, delivery.source)?;
        self.put(at + 32, &delivery.received_ms.to_le_bytes())?;
        self.put(at + 40, &delivery.run.to_le_bytes())?;
        self.webhook(at + 44, &delivery.webhook)?;
        self.fields(at + 68, delivery.attributes)?;
        self.fields(at + 76, delivery.headers)?;
        self.text(at + 84, delivery.content_type)?;
        self.bytes(at + 92, delivery.data)?;
        self.text(at + 100, delivery.config)?;
        Ok(u32::try_from(at)?)
    }

    fn webhook(&mut self, at: usize, webhook: &WebhookParam<'_>) -> wasmtime::Result<()> {
        self.text(at, webhook.id)?;
        self.text(at + 8, webhook.name)?;
        self.fields(at + 16, webhook.labels)
    }

    fn fields(&mut self, at: usize, fields: &[FieldParam<'_>]) -> wasmtime::Result<()> {
        let list = self.allocate(FIELD, fields.len())?;
        for (number, field) in fields.iter().enumerate() {
            let place = list + number * FIELD.size;
            self.text(place, field.name)?;
            self.text(place + 8, field.value)?;
        }
        self.pair(at, list, fields.len())
    }

    fn text(&mut self, at: usize, text: &str) -> wasmtime::Result<()> {
        self.bytes(at, text.as_bytes())
    }

    fn bytes(&mut self, at: usize, bytes: &[u8]) -> wasmtime::Result<()> {
        let place = self.allocate(BYTE, bytes.len())?;
        self.put(place, bytes)?;
        self.pair(at, place, bytes.len())
    }

    /// A pointer, and a length.
    fn pair(&mut self, at: usize, pointer: usize, length: usize) -> wasmtime::Result<()> {
        self.put(at, &u32::try_from(pointer)?.to_le_bytes())?;
        self.put(at + POINTER_BYTES, &u32::try_from(length)?.to_le_bytes())
    }

    /// Room for so many of these, in memory that exists.
    fn allocate(&mut self, of: Layout, count: usize) -> wasmtime::Result<usize> {
        let size = of.size.checked_mul(count).ok_or_else(|| format_err!("size overflow copying a list"))?;
        let at = self.realloc.call(&mut *self.store, (0, 0, of.align, u32::try_from(size)?))?;
        if !at.is_multiple_of(of.align) {
            bail!("realloc return: result not aligned");
        }
        let at = usize::try_from(at)?;
        if at.checked_add(size).is_none_or(|end| end > self.memory.data_size(&*self.store)) {
            bail!("realloc return: beyond end of memory");
        }
        Ok(at)
    }

    /// At a place that was allocated.
    fn put(&mut self, at: usize, bytes: &[u8]) -> wasmtime::Result<()> {
        Ok(self.memory.write(&mut *self.store, at, bytes)?)
    }
}
