using Spectre.Console;

namespace OmniPg.Cli;

/// <summary>A column of a table that a command prints.</summary>
/// <param name="Title">Its head.</param>
/// <param name="Right">Whether its cells are aligned to the right, like numbers.</param>
/// <param name="NoWrap">Whether its cells stay on one line even where the terminal is narrow.</param>
/// <param name="IsStatus">Whether its cells are outcomes, which have a colour.</param>
internal sealed record CliColumn(string Title, bool Right = false, bool NoWrap = false, bool IsStatus = false)
{
    public static implicit operator CliColumn(string title) => new(title);

    public Style StyleOf(string? cell) => !IsStatus ? Style.Plain : cell switch
    {
        "OK" => new Style(Color.Green),
        "WARNING" => new Style(Color.Yellow),
        "CRITICAL" => new Style(Color.Red),
        _ => Style.Plain,
    };
}
