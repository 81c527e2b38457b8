//! Whether the register allocator would take too long to give the values that branches pass along one place.
//!
//! It tries to merge the argument of every branch with the parameter that it is passed as, and keeps what is merged in
//! sorted lists. A value that is passed on again and again, through ten thousand nested conditions or loops in a row,
//! makes a list of as many ranges, which is sorted and looked through at each step: time and memory grow with the square.

use cranelift_codegen::ir;

/// Functions whose branches pass fewer values are never suspect.
const UNSUSPECT_PARAMETERS: usize = 4 << 10;

/// The sum of the squares of the numbers of values that could be merged into one, up to which a function is worth it. At
/// the limit, merging takes some seconds, and as many bytes.
pub const MAX_SUM_OF_SQUARES: u64 = 100_000_000;

/// An upper bound of what merging costs: the sum of the squares of the numbers of values that could become one.
pub fn sum_of_squares(func: &ir::Function) -> u64 {
    let blocks = || func.layout.blocks();
    let parameters: usize = blocks().map(|block| func.dfg.num_block_params(block)).sum();
    if parameters < UNSUSPECT_PARAMETERS {
        return 0;
    }
    let mut classes = Classes::new(func.dfg.num_values());
    for block in blocks() {
        let Some(branch) = func.layout.last_inst(block) else { continue };
        for call in func.dfg.insts[branch].branch_destination(&func.dfg.jump_tables, &func.dfg.exception_tables) {
            let parameters = func.dfg.block_params(call.block(&func.dfg.value_lists));
            for (argument, parameter) in call.args(&func.dfg.value_lists).zip(parameters) {
                if let ir::BlockArg::Value(argument) = argument {
                    classes.merge(func.dfg.resolve_aliases(argument).as_u32(), parameter.as_u32());
                }
            }
        }
    }
    classes.sizes.iter().filter(|size| **size > 1).map(|size| u64::from(*size) * u64::from(*size)).sum()
}

/// Disjoint sets of values.
struct Classes {
    parents: Vec<u32>,
    /// Of the sets whose first member the value is; 0 for others.
    sizes: Vec<u32>,
}

impl Classes {
    fn new(values: usize) -> Self {
        Self { parents: (0..values as u32).collect(), sizes: vec![1; values] }
    }

    fn first(&mut self, value: u32) -> u32 {
        let mut value = value as usize;
        while self.parents[value] != value as u32 {
            self.parents[value] = self.parents[self.parents[value] as usize];
            value = self.parents[value] as usize;
        }
        value as u32
    }

    fn merge(&mut self, a: u32, b: u32) {
        let (a, b) = (self.first(a) as usize, self.first(b) as usize);
        if a == b {
            return;
        }
        let (large, small) = if self.sizes[a] < self.sizes[b] { (b, a) } else { (a, b) };
        self.parents[small] = large as u32;
        self.sizes[large] += std::mem::take(&mut self.sizes[small]);
    }
}
