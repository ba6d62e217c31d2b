//! The pickle machine: a stack, a memo, and one step an opcode.

use std::collections::HashMap;

use super::{
    super::{element::ElementType, error::Fault, view::View},
    objects::{Id, Object, Objects, Storage},
};

/// Most objects, entries of the memo and values on the stack; a checkpoint with its optimiser's
/// state has some hundred thousand.
const OBJECT_LIMIT: usize = 1 << 20;
/// Longest name of a module, class, function or storage: these are copied with every use.
const NAME_LIMIT: usize = 255;

/// Reads the pickle that `bytes` begin with, and says how many of them it takes.
pub(crate) fn parse(bytes: &[u8]) -> Result<(Objects, usize), Fault> {
    let mut machine = Machine {
        bytes,
        at: 0,
        objects: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let start = machine.at;
        let done = machine.step().map_err(|reason| {
            Fault::damaged(format!("its pickle cannot be read at byte {start}: {reason}"))
        })?;
        if let Some(root) = done {
            return Ok((Objects { all: machine.objects, root }, machine.at));
        }
    }
}

type Step<T> = Result<T, String>;

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// Heights of the stack at which a mark lies.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_> {
    /// Carries one opcode out; gives the result after the last.
    fn step(&mut self) -> Step<Option<Id>> {
        let opcode = self.byte()?;
        match opcode {
            b'.' => return self.pop().map(Some),

            // Numbers and texts.
            b'N' => self.push(Object::None)?,
            0x88 => self.push(Object::Bool(true))?,
            0x89 => self.push(Object::Bool(false))?,
            b'K' => {
                let value = self.byte()?;
                self.push(Object::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Object::Int(value.into()))?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Object::Int(value.into()))?;
            }
            0x8a => {
                let len = self.byte()?;
                self.long(len.into())?;
            }
            0x8b => {
                let len = self.u32()?;
                self.long(len)?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.array()?);
                self.push(Object::Float(value))?;
            }
            0x8c | b'U' => {
                let len = self.byte()?;
                self.push_text(len.into())?;
            }
            b'X' | b'T' => {
                let len = self.u32()?;
                self.push_text(len)?;
            }
            0x8d => {
                let len = self.u64()?;
                self.push_text(len)?;
            }
            b'C' => {
                let len = self.byte()?;
                self.push_bytes(len.into())?;
            }
            b'B' => {
                let len = self.u32()?;
                self.push_bytes(len)?;
            }
            0x8e | 0x96 => {
                let len = self.u64()?;
                self.push_bytes(len)?;
            }

            // The stack.
            b'(' => {
                if self.marks.len() >= OBJECT_LIMIT {
                    return Err("too many marks".into());
                }
                self.marks.push(self.stack.len());
            }
            b'0' => {
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            b'1' => {
                self.pop_mark()?;
            }
            b'2' => {
                let top = *self.stack.last().ok_or("nothing to repeat")?;
                self.push_id(top)?;
            }

            // Containers.
            b')' => self.push(Object::Tuple(Vec::new()))?,
            b't' => {
                let items = self.pop_mark()?;
                self.push(Object::Tuple(items))?;
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let items = self.pop_many(count)?;
                self.push(Object::Tuple(items))?;
            }
            b']' => self.push(Object::List(Vec::new()))?,
            b'l' => {
                let items = self.pop_mark()?;
                self.push(Object::List(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.extend(items)?;
            }
            b'}' => self.push(Object::Dict(Vec::new()))?,
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Object::Dict(Vec::new()))?;
                self.set(&items)?;
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.set(&items)?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set(&items)?;
            }
            0x8f => self.push(Object::Other("a set"))?,
            0x90 => {
                self.pop_mark()?;
            }
            0x91 => {
                self.pop_mark()?;
                self.push(Object::Other("a set"))?;
            }

            // The memo.
            b'q' => {
                let key = self.byte()?;
                self.memorise(key.into())?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.array()?);
                self.memorise(key)?;
            }
            0x94 => self.memorise(u32::try_from(self.memo.len()).map_err(|e| e.to_string())?)?,
            b'h' => {
                let key = self.byte()?;
                self.recall(key.into())?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.array()?);
                self.recall(key)?;
            }

            // Classes, functions and what they make.
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Object::Global { module, name })?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |id: Id| match self.object(id) {
                    Object::Text(text) if text.len() <= NAME_LIMIT => Ok(text.clone()),
                    _ => Err("a name that is no text, or too long"),
                };
                let global = Object::Global { module: text(module)?, name: text(name)? };
                self.push(global)?;
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments)?;
            }
            0x81 => {
                let (_, class) = (self.pop()?, self.pop()?);
                self.push(Object::Instance { class, state: None })?;
            }
            0x92 => {
                let (_, _, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.push(Object::Instance { class, state: None })?;
            }
            b'b' => {
                let new = self.pop()?;
                let target = *self.stack.last().ok_or("nothing to set attributes of")?;
                if let Object::Instance { state, .. } = self.object_mut(target) {
                    *state = Some(new);
                }
            }
            b'Q' => {
                let id = self.pop()?;
                let object = self.persistent(id);
                self.push(object)?;
            }

            // The format itself.
            0x80 => {
                let protocol = self.byte()?;
                if protocol > 5 {
                    return Err(format!("protocol {protocol}, 2 to 5 are read"));
                }
            }
            0x95 => {
                self.u64()?;
            }
            other => return Err(format!("opcode {other:#04x} is not read")),
        }
        Ok(None)
    }

    fn take(&mut self, len: u64) -> Step<&[u8]> {
        let rest = &self.bytes[self.at..];
        let len = usize::try_from(len).ok().filter(|len| *len <= rest.len()).ok_or("it ends too early")?;
        self.at += len;
        Ok(&rest[..len])
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    fn byte(&mut self) -> Step<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Step<u64> {
        Ok(u32::from_le_bytes(self.array()?).into())
    }

    fn u64(&mut self) -> Step<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Text up to the end of the line.
    fn line(&mut self) -> Step<String> {
        let len = self.bytes[self.at..].iter().position(|b| *b == b'\n').ok_or("it ends too early")?;
        let text = String::from_utf8(self.take(len as u64)?.to_vec());
        self.at += 1;
        text.map_err(|_| "a name that is not UTF-8".into())
    }

    fn push_text(&mut self, len: u64) -> Step<()> {
        // Python 2 wrote texts of any coding; such a one cannot be a tensor's name here.
        let object = match str::from_utf8(self.take(len)?) {
            Ok(text) => Object::Text(text.to_owned()),
            Err(_) => Object::Other("bytes"),
        };
        self.push(object)
    }

    fn push_bytes(&mut self, len: u64) -> Step<()> {
        self.take(len)?;
        self.push(Object::Other("bytes"))
    }

    /// A number of `len` bytes, little-endian, two's complement.
    fn long(&mut self, len: u64) -> Step<()> {
        let bytes = self.take(len)?;
        let negative = bytes.last().is_some_and(|b| *b >= 0x80);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        let object = match wide.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(bytes);
                Object::Int(i64::from_le_bytes(wide))
            }
            None => Object::Other("a number of more than 64 bits"),
        };
        self.push(object)
    }

    fn object(&self, id: Id) -> &Object {
        &self.objects[id.0 as usize]
    }

    fn object_mut(&mut self, id: Id) -> &mut Object {
        &mut self.objects[id.0 as usize]
    }

    fn push(&mut self, object: Object) -> Step<()> {
        if self.objects.len() >= OBJECT_LIMIT {
            return Err(format!("more than {OBJECT_LIMIT} objects"));
        }
        let id = Id(self.objects.len() as u32);
        self.objects.push(object);
        self.push_id(id)
    }

    fn push_id(&mut self, id: Id) -> Step<()> {
        if self.stack.len() >= OBJECT_LIMIT {
            return Err(format!("more than {OBJECT_LIMIT} values on the stack"));
        }
        self.stack.push(id);
        Ok(())
    }

    /// Takes the top value, which must lie above the last mark.
    fn pop(&mut self) -> Step<Id> {
        Ok(self.pop_many(1)?[0])
    }

    fn pop_many(&mut self, count: usize) -> Step<Vec<Id>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let from = self.stack.len().checked_sub(count).filter(|from| *from >= floor);
        Ok(self.stack.split_off(from.ok_or("a value is missing on the stack")?))
    }

    fn pop_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or("a mark is missing")?;
        Ok(self.stack.split_off(mark))
    }

    /// Appends to the list on top of the stack.
    fn extend(&mut self, items: Vec<Id>) -> Step<()> {
        let target = *self.stack.last().ok_or("nothing to append to")?;
        match self.object_mut(target) {
            Object::List(list) => list.extend(items),
            Object::Instance { .. } | Object::Made { .. } => {}
            _ => return Err("appending to what is no list".into()),
        }
        Ok(())
    }

    /// Sets keys (at even places) to values (at odd ones) in the dictionary on top of the stack.
    fn set(&mut self, items: &[Id]) -> Step<()> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("a key without a value".into());
        }
        let target = *self.stack.last().ok_or("nothing to set keys of")?;
        match self.object_mut(target) {
            Object::Dict(dict) => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            Object::Instance { .. } | Object::Made { .. } => {}
            _ => return Err("setting keys of what is no dictionary".into()),
        }
        Ok(())
    }

    fn memorise(&mut self, key: u32) -> Step<()> {
        let top = *self.stack.last().ok_or("nothing to remember")?;
        self.memo.insert(key, top);
        if self.memo.len() > OBJECT_LIMIT {
            return Err(format!("more than {OBJECT_LIMIT} remembered values"));
        }
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Step<()> {
        let id = *self.memo.get(&key).ok_or_else(|| format!("value {key} was never remembered"))?;
        self.push_id(id)
    }

    /// What a persistent id refers to; PyTorch writes
    /// `("storage", class, key, location, number of elements)`, and before 1.6 a sixth part: none, or
    /// `(key, offset, number of elements)` of the part of that storage that is meant.
    fn persistent(&self, id: Id) -> Object {
        const UNKNOWN: Object = Object::Other("a reference");
        let Object::Tuple(parts) = self.object(id) else { return UNKNOWN };
        let (&[kind, class, key, _, len], rest) = match parts.split_first_chunk::<5>() {
            Some(found) => found,
            None => return UNKNOWN,
        };
        let (offset, len) = match rest {
            [] => (0, len),
            [part] => match self.object(*part) {
                Object::None => (0, len),
                Object::Tuple(part) => match (part.as_slice(), part.get(1).map(|o| self.object(*o))) {
                    (&[_, _, len], Some(Object::Int(offset))) => (*offset, len),
                    _ => return UNKNOWN,
                },
                _ => return UNKNOWN,
            },
            _ => return UNKNOWN,
        };
        match [kind, class, key, len].map(|part| self.object(part)) {
            [Object::Text(kind), Object::Global { module, name }, Object::Text(key), Object::Int(len)]
                if kind == "storage" && key.len() <= NAME_LIMIT =>
            {
                let element = ElementType::of_storage(name).filter(|_| module == "torch");
                match (element, usize::try_from(offset), usize::try_from(*len)) {
                    (Some(element), Ok(offset), Ok(len)) => {
                        Object::Storage(Storage { element, key: key.clone(), offset, len })
                    }
                    _ => Object::Made { by: class },
                }
            }
            _ => UNKNOWN,
        }
    }

    /// Puts the result of a function that is known in place of its call, [`Object::Made`] for others.
    fn call(&mut self, function: Id, arguments: Id) -> Step<()> {
        let unknown = Object::Made { by: function };
        // A tensor of a class of its own is written as what makes the plain one, and that one's arguments.
        let (function, arguments) = self.plain(function, arguments).unwrap_or((function, arguments));
        let (Object::Global { module, name }, Object::Tuple(arguments)) =
            (self.object(function), self.object(arguments))
        else {
            return self.push(unknown);
        };
        match (module.as_str(), name.as_str(), arguments.as_slice()) {
            ("collections", "OrderedDict", []) => self.push(Object::Dict(Vec::new())),
            // The same tuple, and the same tensor, under another class.
            ("torch", "Size", &[same]) => self.push_id(same),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state", &[same, ..]) => {
                self.push_id(same)
            }
            (
                "torch._utils",
                "_rebuild_tensor" | "_rebuild_tensor_v2",
                &[storage, offset, shape, strides, ..],
            ) => {
                let tensor = match self.object(storage) {
                    Object::Storage(_) => {
                        let offset = self.index(offset)?;
                        let view = View::new(offset, self.indices(shape)?, self.indices(strides)?);
                        Object::Tensor { storage, view: view.map_err(|fault| fault.to_string())? }
                    }
                    // A storage of a class that is not read.
                    Object::Made { by } => Object::Made { by: *by },
                    _ => return Err("a tensor without a storage".into()),
                };
                self.push(tensor)
            }
            _ => self.push(unknown),
        }
    }

    /// The function and the arguments that a call of `_rebuild_from_type_v2` wraps, where they rebuild a
    /// plain tensor.
    fn plain(&self, function: Id, arguments: Id) -> Option<(Id, Id)> {
        let Object::Global { module, name } = self.object(function) else { return None };
        let Object::Tuple(parts) = self.object(arguments) else { return None };
        let &[inner, _, inner_arguments, ..] = parts.as_slice() else { return None };
        let wraps = module == "torch._tensor" && name == "_rebuild_from_type_v2";
        let plain = matches!(self.object(inner), Object::Global { module, name }
            if module == "torch._utils" && name == "_rebuild_tensor_v2");
        (wraps && plain).then_some((inner, inner_arguments))
    }

    fn index(&self, id: Id) -> Step<usize> {
        match self.object(id) {
            Object::Int(value) => usize::try_from(*value).map_err(|_| format!("{value} in a tensor's size")),
            _ => Err("a tensor's size that is no number".into()),
        }
    }

    fn indices(&self, id: Id) -> Step<Vec<usize>> {
        match self.object(id) {
            // The view bounds the number of dimensions; cut so that none costs more than that.
            Object::Tuple(items) => items.iter().take(64).map(|item| self.index(*item)).collect(),
            _ => Err("a tensor's shape that is no tuple".into()),
        }
    }
}
