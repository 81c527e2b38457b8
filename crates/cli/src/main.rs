//! The `epsilon` command: what is asked for, and which file does it.
//!
//! The command uses the crates `epsilon`, `epsilon-wasi` and `epsilon-wast` as any other program could, and knows
//! nothing of the compiler and the runtime behind them.

#![forbid(unsafe_code)]

mod commands;
mod exit;
mod host;
mod input;
mod invoke;
mod key;
mod options;
mod output;
mod progress;
mod report;
mod stack;
mod stop;

use clap::{CommandFactory as _, Parser, Subcommand};
use commands::{cache, compile, completions, executable, inspect, run, validate, wast};

const EXAMPLES: &str = "\
Examples:
  epsilon app.wasm one two              run a program with two arguments
  epsilon --dir . --env HOME app.wasm   let it see the current directory and $HOME
  epsilon --invoke add lib.wasm 2 3     call an exported function
  epsilon -W timeout=10s,max-memory-size=64M app.wasm
  epsilon inspect app.wasm              tell what is in a module

The exit code is the guest's own. Otherwise it is 1 for an error, 2 for a wrong command line, 124 when the time is up,
130 after Ctrl-C, and 134 when the guest traps.";

/// Runs WebAssembly modules.
///
/// Without a command, `epsilon FILE ARGS…` runs FILE, as `epsilon run` does.
#[derive(Parser)]
#[command(
    name = "epsilon",
    version,
    after_help = EXAMPLES,
    override_usage = "epsilon [OPTIONS] <FILE> [ARGS]...\n       epsilon <COMMAND>",
    arg_required_else_help = true,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunCommand,
}

#[derive(Subcommand)]
enum Command {
    Run(run::RunCommand),
    Compile(compile::CompileCommand),
    #[command(name = "build-exe")]
    BuildExe(executable::BuildExeCommand),
    Wast(wast::WastCommand),
    Validate(validate::ValidateCommand),
    Inspect(inspect::InspectCommand),
    Cache(cache::CacheCommand),
    Completions(completions::CompletionsCommand),
}

fn main() {
    stack::run_on_enough(main_on_enough_stack);
}

fn main_on_enough_stack() {
    if let Some(embedded) = executable::Embedded::of_this_process() {
        end(report::end_quietly_on_broken_pipe().and_then(|()| embedded.execute()));
    }
    end(report::end_quietly_on_broken_pipe().and_then(|()| match Cli::try_parse() {
        Ok(cli) => execute(cli.command.unwrap_or(Command::Run(cli.run))),
        // `--help` and `--version` are output like any other.
        Err(answer) if !answer.use_stderr() => output::print_styled(&answer.render()).map(|()| answer.exit_code()),
        Err(mistake) => mistake.exit(),
    }));
}

fn execute(command: Command) -> anyhow::Result<i32> {
    match command {
        Command::Run(command) => command.execute(),
        Command::Compile(command) => command.execute(),
        Command::BuildExe(command) => command.execute(),
        Command::Wast(command) => command.execute(),
        Command::Validate(command) => command.execute(),
        Command::Inspect(command) => command.execute(),
        Command::Cache(command) => command.execute(),
        Command::Completions(command) => command.execute(&mut Cli::command()),
    }
}

/// Ends the process, without running destructors: the system takes back memory faster than we give it.
fn end(result: anyhow::Result<i32>) -> ! {
    std::process::exit(result.unwrap_or_else(|error| {
        report::error(&error);
        exit::ERROR
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_commands_are_known_where_modules_are_named() {
        let names: Vec<_> = Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        assert_eq!(names, input::COMMANDS);
    }
}
