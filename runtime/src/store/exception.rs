//! Tags and exceptions: as embedders see them, and as a store keeps those that guests hold.
//!
//! An exception of a store is a row of 16-byte words that stays where it is: a header, then the fields. Its number is
//! what `exnref` holds. Guests make them without end and give none back, so that numbers are used again: from time to
//! time the store looks for what still refers to them. Tables, globals and other exceptions are known exactly. Stacks
//! are not: every 4 bytes that could be a number keep the exception of that number. So does what the host holds; and all
//! stay while the host has switched stacks between two activations, because what lies between them is not one stack.

use crate::base::alloc;
use crate::base::budget::{Budget, Charge, Refused};
use crate::base::error::{Error, Result};
use crate::embed::rooted::{ExnRef, OwnedRooted, Rooted};
use crate::embed::value::Val;
use crate::heap::roots::Owner;
use crate::module::signature::TypeIds;
use crate::store::inner::{AsContext, AsContextMut, StoreId, StoreInner};
use crate::store::instance::InstanceData;
use crate::types::TagType;
use epsilon_abi::vm::VmGlobal;
use epsilon_abi::{EntityIndex, FuncType, ValType};
use std::mem::size_of;

/// Words of exceptions that a store makes before it first looks for unused ones.
const FIRST_COLLECTION_WORDS: usize = 4 << 10;

/// Words of exceptions that a store holds at once: 64 MiB.
const MAX_WORDS: usize = 4 << 20;

/// The number of the first exception: far from what else lies on stacks, so that little else looks like one.
const FIRST_NUMBER: u32 = 0x5a3c_0001;

/// A tag as its store owns it.
pub struct TagData {
    /// What its exceptions carry.
    pub ty: FuncType,
    /// The canonical id of the type.
    pub type_id: u32,
    /// What keeps it, if no instance of the store does.
    pub _types: Option<TypeIds>,
}

/// What tells kinds of exceptions apart: a tag of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    pub(crate) store: StoreId,
    pub(crate) index: u32,
}

impl Tag {
    /// A new tag, made by the host. Its exceptions carry what `ty` takes.
    ///
    /// # Errors
    /// If `ty` has results, or is of another engine.
    pub fn new(mut store: impl AsContextMut, ty: &TagType) -> Result<Self> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let (ty, types) = (ty.ty().to_abi(inner.runtime.signatures())?, ty.ty().keep());
        if !ty.results.is_empty() {
            return Err(Error::mismatch("type of a tag", "no results", ty));
        }
        inner.new_tag(TagData { ty, type_id: types[0], _types: Some(types) })
    }

    /// What its exceptions carry.
    ///
    /// # Panics
    /// If the tag is of another store.
    pub fn ty(&self, store: impl AsContext) -> TagType {
        let context = store.as_context();
        let inner = context.inner();
        inner.assert_owns(self.store, "tag");
        let id = inner.tags[self.index as usize].type_id;
        TagType::new(crate::types::FuncType::of_id(inner.runtime.signatures(), id))
    }

    /// Whether two handles are of the same tag.
    pub fn eq(a: &Self, b: &Self, _store: impl AsContext) -> bool {
        a == b
    }
}

/// An exception outside of guests: a tag and what it carries.
///
/// A host function throws it by returning it as its error; a call that ends with an exception that no guest catches
/// gives it back in [`Error::exception`].
#[derive(Clone, Debug)]
pub struct Exception {
    tag: Tag,
    /// What a module calls the tag, where that is known.
    tag_name: Option<Box<str>>,
    fields: Box<[Val]>,
    /// What holds the fields' references.
    _owners: Box<[Owner]>,
}

impl Exception {
    /// An exception, not thrown yet.
    ///
    /// # Errors
    /// If the fields are not what the tag's type says, or something is of another store.
    pub fn new(mut store: impl AsContextMut, tag: Tag, fields: &[Val]) -> Result<Self> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let exception = inner.owned_exception(tag, fields)?;
        // Made once to see that it can be thrown; unused, it is soon gone.
        inner.add_exception(&exception)?;
        Ok(exception)
    }

    /// The tag.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// What it carries.
    pub fn fields(&self) -> &[Val] {
        &self.fields
    }
}

impl std::fmt::Display for Exception {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an uncaught exception: ")?;
        match &self.tag_name {
            Some(name) => write!(f, "tag `{name}`")?,
            None => write!(f, "tag {} of its store", self.tag.index)?,
        }
        match &*self.fields {
            [] => f.write_str(", without payload"),
            fields => {
                f.write_str(", payload")?;
                fields.iter().try_for_each(|field| write_field(f, field))
            }
        }
    }
}

fn write_field(f: &mut std::fmt::Formatter<'_>, field: &Val) -> std::fmt::Result {
    match field {
        Val::I32(number) => write!(f, " (i32 {number})"),
        Val::I64(number) => write!(f, " (i64 {number})"),
        Val::F32(bits) => write!(f, " (f32 {})", f32::from_bits(*bits)),
        Val::F64(bits) => write!(f, " (f64 {})", f64::from_bits(*bits)),
        Val::V128(vector) => write!(f, " (v128 {vector})"),
        Val::FuncRef(None) | Val::ExternRef(None) | Val::ExnRef(None) | Val::AnyRef(None) => f.write_str(" (null)"),
        Val::FuncRef(Some(_)) => f.write_str(" (a function)"),
        Val::ExternRef(Some(_)) => f.write_str(" (something of the host)"),
        Val::ExnRef(Some(_)) => f.write_str(" (an exception)"),
        Val::AnyRef(Some(_)) => f.write_str(" (an object)"),
    }
}

impl std::error::Error for Exception {}

/// The error of a host function that throws the store's pending exception: see [`Store::throw`](crate::Store::throw). The
/// error of a call that ends with an exception holds one as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThrownException;

impl std::fmt::Display for ThrownException {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an exception is thrown, which its store keeps")
    }
}

impl std::error::Error for ThrownException {}

/// What the host's list of roots has for an exception: the collector of objects takes it for an `i31`, and leaves it.
pub const fn root_of_number(number: u32) -> u32 {
    number << 1 | 1
}

/// The number of the exception that the host's list of roots has this for.
pub const fn number_of_root(root: u32) -> u32 {
    root >> 1
}

/// A header and fields.
pub(crate) type Words = Box<[VmGlobal]>;

/// All exceptions of a store.
pub struct Exceptions {
    /// By number from the first one; `None` for numbers that are free.
    slots: Vec<Option<Words>>,
    free: Vec<u32>,
    /// Words of all exceptions together.
    words_in_use: usize,
    /// How many words may be in use before the next collection.
    collect_at_words: usize,
    charge: Charge,
}

/// What an exception is charged with beside its words: its slot, and the records of its number.
const EXCEPTION_BYTES: usize = 64;

impl Exceptions {
    /// None yet.
    pub fn new(budget: &Budget) -> Self {
        Self {
            charge: budget.empty_charge("exceptions"),
            slots: Vec::new(),
            free: Vec::new(),
            words_in_use: 0,
            collect_at_words: FIRST_COLLECTION_WORDS,
        }
    }
}

impl Exceptions {
    /// What the exceptions and one more, of so many words, are charged with.
    fn needed_bytes(&self, more_words: usize) -> usize {
        let words = (self.words_in_use + more_words) * size_of::<VmGlobal>();
        words + (self.slots.len() + usize::from(more_words > 0)) * EXCEPTION_BYTES
    }

    fn cover(&mut self, more_words: usize) -> Result<(), Refused> {
        self.charge.cover(self.needed_bytes(more_words))
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        self.words_in_use > 0
    }

    /// Whether there is an exception with this tag or one that was made later.
    pub fn has_tag_since(&self, tag: u32) -> bool {
        self.slots.iter().flatten().any(|words| half(&words[0], 4) >= tag)
    }

    fn words(&self, number: u32) -> Option<&Words> {
        self.slots.get(number.checked_sub(FIRST_NUMBER)? as usize)?.as_ref()
    }

    /// The tag of an exception, and the address of its fields.
    pub fn look(&self, number: u32) -> Option<(u32, *const VmGlobal)> {
        let words = self.words(number)?;
        Some((half(&words[0], 4), words[1..].as_ptr()))
    }

    fn add(&mut self, tag: u32, field_count: usize) -> Result<u32> {
        alloc::reserve(&mut self.slots, 1, "a list of exceptions")?;
        let mut words = Vec::new();
        alloc::reserve(&mut words, 1 + field_count, "an exception")?;
        words.resize(1 + field_count, VmGlobal { bytes: [0; 16] });
        let mut words = words.into_boxed_slice();
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            FIRST_NUMBER + (self.slots.len() - 1) as u32
        });
        self.words_in_use += words.len();
        words[0].bytes[..4].copy_from_slice(&number.to_le_bytes());
        words[0].bytes[4..8].copy_from_slice(&tag.to_le_bytes());
        self.slots[(number - FIRST_NUMBER) as usize] = Some(words);
        Ok(number)
    }
}

/// Four bytes of a word.
fn half(word: &VmGlobal, at: usize) -> u32 {
    u32::from_le_bytes([word.bytes[at], word.bytes[at + 1], word.bytes[at + 2], word.bytes[at + 3]])
}

/// The number of the exception whose fields lie at an address.
///
/// # Safety
/// The address must be one that [`Exceptions::look`] gave, of an exception that is still there.
pub unsafe fn number_of_fields(fields: *const VmGlobal) -> u32 {
    // SAFETY: the fields are those of an exception that is still there, in the boxed words behind its header (invariant 14).
    half(unsafe { &*fields.sub(1) }, 0)
}

impl StoreInner {
    pub(crate) fn new_tag(&mut self, tag: TagData) -> Result<Tag> {
        let ty = &tag.ty;
        let types = (ty.params.len() + ty.results.len()) * size_of::<ValType>();
        self.charge_item(2 * size_of::<TagData>() + types)?;
        alloc::push(&mut self.tags, tag, "a list of tags")?;
        Ok(Tag { store: self.id, index: self.tags.len() as u32 - 1 })
    }

    /// A new exception whose fields are zero.
    pub(crate) fn new_exception(&mut self, tag: u32) -> Result<u32> {
        if self.exceptions.words_in_use >= self.exceptions.collect_at_words {
            self.collect_exceptions();
            let in_use = self.exceptions.words_in_use;
            self.exceptions.collect_at_words = (2 * in_use).clamp(FIRST_COLLECTION_WORDS, MAX_WORDS);
            if in_use >= MAX_WORDS {
                let mib = (MAX_WORDS * size_of::<VmGlobal>()) >> 20;
                return Err(Error::limit(format!(
                    "the exceptions that a store holds at once may take at most {mib} MiB"
                )));
            }
        }
        let field_count = self.tags[tag as usize].ty.params.len();
        if self.exceptions.cover(1 + field_count).is_err() {
            // The limit may have been raised, or there are exceptions that nothing refers to.
            self.allows(|_| Ok(true))?;
            self.collect_exceptions();
            self.exceptions.cover(1 + field_count)?;
        }
        self.exceptions.add(tag, field_count)
    }

    /// An exception of the host as one of the store.
    pub(crate) fn add_exception(&mut self, exception: &Exception) -> Result<u32> {
        self.exception_of(exception.tag, &exception.fields)
    }

    /// The exception that a reference is to, from now on held by the host.
    pub(crate) fn hold_exception(&mut self, number: u32) -> Rooted<ExnRef> {
        self.hold(root_of_number(number))
    }

    /// The tag and the words of an exception that the host holds.
    pub(crate) fn look_at(&self, reference: ExnRef) -> Result<(u32, &Words)> {
        let number = number_of_root(reference.bits(self)?);
        let words = self.exceptions.words(number).expect("an exception that is held");
        Ok((half(&words[0], 4), words))
    }

    /// A new exception with these fields.
    pub(crate) fn exception_of(&mut self, tag: Tag, fields: &[Val]) -> Result<u32> {
        self.check(tag.store, "tag")?;
        let ty = self.tags[tag.index as usize].ty.clone();
        if ty.params.len() != fields.len() {
            let found = format!("{} fields", fields.len());
            return Err(Error::mismatch("exception", format!("fields {ty}"), found));
        }
        // What the values refer to is held by the host, and objects do not move meanwhile.
        let mut bits = Vec::with_capacity(ty.params.len());
        for (n, (value, ty)) in fields.iter().zip(&ty.params).enumerate() {
            bits.push(self.val_to_bits(value, *ty, || format!("field {n} of an exception"))?);
        }
        let number = self.new_exception(tag.index)?;
        let words = self.exceptions.slots[(number - FIRST_NUMBER) as usize].as_mut().expect("just made");
        for (word, bits) in words[1..].iter_mut().zip(bits) {
            word.bytes = bits.to_le_bytes();
        }
        Ok(number)
    }

    /// An exception of the store as one of the host.
    ///
    /// # Panics
    /// If there is none of this number.
    pub(crate) fn exception(&mut self, number: u32) -> Exception {
        let words = self.exceptions.words(number).expect("an exception that is referred to").clone();
        let tag = half(&words[0], 4);
        let types = self.tags[tag as usize].ty.params.clone();
        let scope = self.roots.enter();
        // SAFETY: validated code or `add_exception` has written the fields of this store's exception as the types of its tag
        // (invariant 17); what they refer to is there as long as the exception is (invariant 14).
        let field =
            |(word, ty): (&VmGlobal, &ValType)| unsafe { self.val_from_bits(u128::from_le_bytes(word.bytes), *ty) };
        let fields: Vec<Val> = words[1..].iter().zip(&types).map(field).collect();
        let exception = self.owned_exception(Tag { store: self.id, index: tag }, &fields);
        self.roots.leave(scope);
        exception.expect("fields of this store")
    }

    /// An exception that holds its fields by itself.
    fn owned_exception(&mut self, tag: Tag, fields: &[Val]) -> Result<Exception> {
        let (mut owned, mut owners) = (Vec::with_capacity(fields.len()), Vec::new());
        for field in fields {
            let (field, owner) = self.own_val(field)?;
            owned.push(field);
            owners.extend(owner);
        }
        Ok(Exception { tag, tag_name: None, fields: owned.into(), _owners: owners.into() })
    }

    /// Keeps an exception that nothing has caught, until another one takes its place or the host takes it.
    pub(crate) fn keep_pending(&mut self, number: u32) {
        self.pending_exception = Some(OwnedRooted::new(self, root_of_number(number)));
    }

    /// As [`Self::exception`], for an error that somebody may read. The exception is pending from now on.
    #[cold]
    pub(crate) fn uncaught_exception(&mut self, number: u32) -> Exception {
        self.keep_pending(number);
        let mut exception = self.exception(number);
        exception.tag_name = self.tag_name(exception.tag.index);
        exception
    }

    /// What a module exports a tag as, or else imports it as.
    fn tag_name(&self, tag: u32) -> Option<Box<str>> {
        let of = |instance: &InstanceData, entity: EntityIndex| match entity {
            EntityIndex::Tag(index) => instance.tags[index.index()] == tag,
            _ => false,
        };
        let exported = self.instances.iter().find_map(|instance| {
            let exports = &instance.module.info().exports;
            exports.iter().find(|export| of(instance, export.entity)).map(|export| export.name.as_str().into())
        });
        exported.or_else(|| {
            self.instances.iter().find_map(|instance| {
                let imports = &instance.module.info().imports;
                let import = imports.iter().find(|import| of(instance, import.entity))?;
                Some(format!("{}.{}", import.module, import.name).into())
            })
        })
    }

    /// Frees the numbers of exceptions that nothing refers to.
    pub(crate) fn collect_exceptions(&mut self) {
        // Without memory to look, everything stays.
        let Ok(mut marked) = alloc::zeroed::<bool>(self.exceptions.slots.len(), "marks of exceptions") else { return };
        let mut todo: Vec<u32> = Vec::new();
        // Marked when they are found: so there is never more to do than there are exceptions.
        let mut find = |number: u32, todo: &mut Vec<u32>| {
            if self.exceptions.words(number).is_some() && !marked[(number - FIRST_NUMBER) as usize] {
                marked[(number - FIRST_NUMBER) as usize] = true;
                todo.push(number);
            }
        };
        self.roots.all().filter(|root| root & 1 != 0).for_each(|root| find(number_of_root(root), &mut todo));
        if !self.for_each_exception_root(&mut |number| find(number, &mut todo)) {
            return; // what the host's stacks refer to is not known
        }
        while let Some(number) = todo.pop() {
            let Some(words) = self.exceptions.words(number) else { continue };
            let types = &self.tags[half(&words[0], 4) as usize].ty.params;
            let inner = words[1..].iter().zip(types).filter(|(_, ty)| is_exception(**ty));
            inner.for_each(|(word, _)| find(half(word, 0), &mut todo));
        }
        for (at, slot) in self.exceptions.slots.iter_mut().enumerate() {
            if let (false, Some(words)) = (marked[at], slot.as_ref()) {
                self.exceptions.words_in_use -= words.len();
                *slot = None;
                self.exceptions.free.push(FIRST_NUMBER + at as u32);
            }
        }
        let needed = self.exceptions.needed_bytes(0);
        self.exceptions.charge.shrink(needed);
    }

    /// Calls `found` with each reference in a field of an exception that the collector follows.
    pub(crate) fn for_each_exception_field(&mut self, found: &mut dyn FnMut(&mut u32)) {
        if !self.tags.iter().any(|tag| tag.ty.params.iter().any(|ty| ty.is_traced())) {
            return;
        }
        for words in self.exceptions.slots.iter_mut().flatten() {
            let types = &self.tags[half(&words[0], 4) as usize].ty.params;
            for (word, _) in words[1..].iter_mut().zip(types).filter(|(_, ty)| ty.is_traced()) {
                let mut reference = half(word, 0);
                found(&mut reference);
                word.bytes[..4].copy_from_slice(&reference.to_le_bytes());
            }
        }
    }

    /// Calls `found` with all that may be the number of an exception in use. False if not all could be found.
    fn for_each_exception_root(&self, found: &mut dyn FnMut(u32)) -> bool {
        for table in &self.tables {
            if table.element().is_exception() {
                table
                    .references_ref()
                    .iter()
                    .flat_map(|references| references.iter())
                    .for_each(|number| found(*number));
            }
        }
        for key in self.global_keys() {
            let (bits, ty) = self.global_bits(key);
            if is_exception(ty) {
                found(bits as u32);
            }
        }
        if let Some(heap) = &self.heap {
            heap.for_each_exception(found);
        }
        crate::call::enter::for_each_stack_word(self, found)
    }
}

fn is_exception(ty: ValType) -> bool {
    matches!(ty, ValType::Ref(ty) if ty.is_exception())
}
