using Spectre.Console;

namespace OmniPg.Cli;

/// <summary>What a command writes to and reads from: the process's own streams, or those of a test.</summary>
internal sealed class CliHost
{
    public required TextWriter Out { get; init; }

    public required TextWriter Error { get; init; }

    /// <summary>Whether a person reads the output: tables and colours instead of plain lines.</summary>
    public required bool IsTerminal { get; init; }

    /// <summary>Environment variables by name.</summary>
    public required Func<string, string?> Variable { get; init; }

    /// <summary>Where a command learns of signals to hand on.</summary>
    public required TerminationSignals Signals { get; init; }

    /// <summary>Draws tables and live displays.</summary>
    public IAnsiConsole Ansi => field ??= AnsiConsole.Create(new AnsiConsoleSettings
    {
        Out = new AnsiConsoleOutput(Out),
        Ansi = IsTerminal ? AnsiSupport.Detect : AnsiSupport.No,
        ColorSystem = IsTerminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
        Interactive = IsTerminal ? InteractionSupport.Yes : InteractionSupport.No,
    });

    public static CliHost Process(TerminationSignals signals) => new()
    {
        Out = Console.Out,
        Error = Console.Error,
        IsTerminal = !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")),
        Variable = Environment.GetEnvironmentVariable,
        Signals = signals,
    };
}
