namespace OmniPg.Wal.Cli;

/// <summary>How an option takes its value.</summary>
internal enum OptionKind
{
    /// <summary>Present or not.</summary>
    Flag,

    /// <summary>Needs a value.</summary>
    Value,

    /// <summary>May stand alone; a value only in the form <c>--name=value</c>, or as the next word when that word is a WAL file name.</summary>
    OptionalValue,
}

/// <summary>One row of a verb's option table.</summary>
/// <param name="Name">Long name with its hyphens.</param>
/// <param name="Kind">How it takes its value.</param>
/// <param name="Placeholder">What the help calls the value; empty for a flag.</param>
/// <param name="Help">One line for the help text.</param>
/// <param name="Aliases">Other spellings with their hyphens.</param>
internal sealed record Option(string Name, OptionKind Kind, string Placeholder, string Help, params string[] Aliases)
{
    /// <summary>Whether the option may be given several times; otherwise the last one wins, so that a command line overrides its file.</summary>
    public bool Repeatable { get; init; }

    /// <summary>Why the option is refused, for names that old configuration files carry; null for a live option.</summary>
    public string? Refusal { get; init; }

    public static Option Flag(string name, string help, params string[] aliases) => new(name, OptionKind.Flag, "", help, aliases);

    public static Option Value(string name, string placeholder, string help, params string[] aliases) =>
        new(name, OptionKind.Value, placeholder, help, aliases);

    public static Option Many(string name, string placeholder, string help, params string[] aliases) =>
        new(name, OptionKind.Value, placeholder, help, aliases) { Repeatable = true };

    public static Option Refused(string name, string why, params string[] aliases) => new(name, OptionKind.OptionalValue, "", "", aliases) { Refusal = why };

    public bool IsNamed(string text) => text == Name || Array.IndexOf(Aliases, text) >= 0;
}
