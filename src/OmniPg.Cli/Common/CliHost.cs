using OmniPg.Shared;
using Spectre.Console;

namespace OmniPg.Cli;

/// <summary>What a command writes to and reads from: the process's own streams, or those of a test.</summary>
internal sealed class CliHost
{
    public required TextWriter Out { get; init; }

    public required TextWriter Error { get; init; }

    /// <summary>Standard output for what must pass unchanged.</summary>
    public Stream OutStream { get; init; } = Stream.Null;

    /// <summary>Standard error for what must pass unchanged.</summary>
    public Stream ErrorStream { get; init; } = Stream.Null;

    /// <summary>Whether a person reads the output: tables and colours instead of plain lines.</summary>
    public required bool IsTerminal { get; init; }

    /// <summary>Cells and lines of the window. A window that tells no size counts as 80 × 24.</summary>
    public Func<(int Width, int Height)> WindowSize { get; init; } = () => (80, 24);

    /// <summary>Calls an action with every key that is pressed from now on.</summary>
    public Action<Action<char>> OnKey { get; init; } = _ => { };

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
        // Text goes through the console's stream, which drops what nobody reads any more: "show | head" ends without an error.
        Out = Console.IsOutputRedirected ? Writer(GuardedStream.Results()) : Console.Out,
        Error = Writer(GuardedStream.Messages()),
        OutStream = StandardOutput.Output(),
        ErrorStream = StandardOutput.Error(),
        IsTerminal = !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
            && Environment.GetEnvironmentVariable("TERM") != "dumb",
        // Asked anew each time: the runtime forgets the size it knew when the window changes.
        WindowSize = () => Console.WindowWidth > 0 && Console.WindowHeight > 0 ? (Console.WindowWidth, Console.WindowHeight) : (80, 24),
        OnKey = ReadKeys,
        Variable = Environment.GetEnvironmentVariable,
        Signals = signals,
    };

    private static StreamWriter Writer(GuardedStream stream) => new(stream, Console.OutputEncoding) { AutoFlush = true };

    // The thread has no end of its own: nothing can wake it from the terminal, so it must not keep the process alive.
    private static void ReadKeys(Action<char> pressed)
    {
        if (Console.IsInputRedirected)
            return;
        new Thread(() =>
        {
            while (true)
                pressed(Console.ReadKey(intercept: true).KeyChar);
        })
        { IsBackground = true, Name = "keys" }.Start();
    }
}
