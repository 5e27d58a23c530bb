using System.Text;

namespace OmniPg.Cli;

/// <summary>One line of a screen: pieces of clean text, each with its look.</summary>
internal sealed class ScreenLine
{
    private readonly List<(string Text, Ink Ink)> _pieces = [];

    public ScreenLine Add(string text, Ink ink = Ink.Plain)
    {
        if (text.Length > 0)
            _pieces.Add((text, ink));
        return this;
    }

    /// <summary>Writes the line, cut to <paramref name="width"/> cells, for a terminal, and returns how many cells are left.</summary>
    public int AppendTo(StringBuilder target, int width)
    {
        foreach (var (text, ink) in _pieces)
        {
            var (fitting, cells) = CellText.Cut(text, width);
            width -= cells;
            target.Append(Begin(ink)).Append(fitting).Append(ink == Ink.Plain ? "" : "\e[0m");
        }
        return width;
    }

    /// <summary>The bare text.</summary>
    public override string ToString() => string.Concat(_pieces.Select(p => p.Text));

    private static string Begin(Ink ink) => ink switch
    {
        Ink.Strong => "\e[1m",
        Ink.Faint => "\e[2m",
        Ink.Good => "\e[32m",
        Ink.Attention => "\e[33m",
        Ink.Bad => "\e[31m",
        _ => "",
    };
}
