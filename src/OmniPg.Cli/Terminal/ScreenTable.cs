namespace OmniPg.Cli;

/// <summary>Rows in columns that fit a screen's width: wide cells are cut, never wrapped, and where that is not enough columns are left out.</summary>
internal sealed class ScreenTable(params ScreenColumn[] columns)
{
    private const string Gap = "  ";

    private readonly List<(string[] Cells, Ink Ink)> _rows = [];

    public void Add(Ink ink, params IEnumerable<string?> cells) => _rows.Add(([.. cells.Select(CellText.Clean)], ink));

    /// <summary>The head and the rows; nothing where there are none.</summary>
    public IEnumerable<ScreenLine> Lines(int width, bool head)
    {
        var shown = Enumerable.Range(0, columns.Length).ToList();
        var widths = Widths(shown, width);
        while (widths is null)
        {
            shown.Remove(shown.MaxBy(c => columns[c].Rank));
            widths = Widths(shown, width);
        }
        if (head && _rows.Count > 0)
            yield return Line([.. columns.Select(c => c.Title)], Ink.Faint, shown, widths);
        foreach (var (cells, ink) in _rows)
            yield return Line(cells, ink, shown, widths);
    }

    private ScreenLine Line(string[] cells, Ink ink, List<int> shown, int[] widths)
    {
        var texts = shown.Select((column, i) => CellText.Fit(cells[column], widths[i], columns[column].Right));
        return new ScreenLine().Add(string.Join(Gap, texts).TrimEnd(), ink);
    }

    /// <summary>The widths of the shown columns; null when they do not fit and one of them may go.</summary>
    private int[]? Widths(List<int> shown, int width)
    {
        var widths = shown.Select(c => _rows.Select(r => CellText.Width(r.Cells[c])).Append(columns[c].Title.Length).Max()).ToArray();
        var excess = widths.Sum() + (Gap.Length * (shown.Count - 1)) - width;
        for (; excess > 0; excess--)
        {
            // Always the widest gives way, so that short cells stay whole.
            var widest = Enumerable.Range(0, shown.Count).Where(i => widths[i] > (columns[shown[i]].Least ?? int.MaxValue)).DefaultIfEmpty(-1).MaxBy(i => i < 0 ? 0 : widths[i]);
            if (widest < 0)
                return shown.Exists(c => columns[c].Rank > 0) ? null : widths;
            widths[widest]--;
        }
        return widths;
    }
}
