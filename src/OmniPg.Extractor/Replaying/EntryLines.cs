using System.Text;

namespace OmniPg.Extractor.Replaying;

/// <summary>Finds the line of a file at which a statement failed, so that an editor can jump there.</summary>
internal static class EntryLines
{
    /// <param name="directory">The tree; null when the schema is in memory, lines then count within the entry.</param>
    /// <param name="entry">The entry.</param>
    /// <param name="offset">Where the statement begins in the entry.</param>
    /// <param name="statement">The statement.</param>
    /// <param name="position">The server's error position in the statement, from 1; 0 when it has none.</param>
    public static int LineOf(string? directory, SchemaEntry entry, int offset, string statement, int position)
    {
        var within = Lines(entry.Sql.AsSpan(0, Math.Min(offset, entry.Sql.Length)))
            + Lines(statement.AsSpan(0, Math.Clamp(position - 1, 0, statement.Length)));
        return 1 + LinesAbove(directory, entry) + within;
    }

    private static int LinesAbove(string? directory, SchemaEntry entry)
    {
        if (directory is null)
            return 0;
        var path = Path.Combine(directory, entry.File);
        var text = File.Exists(path) ? File.ReadAllText(path, Encoding.UTF8) : "";
        var at = text.IndexOf(entry.Sql, StringComparison.Ordinal);
        return at < 0 ? 0 : Lines(text.AsSpan(0, at));
    }

    private static int Lines(ReadOnlySpan<char> text) => text.Count('\n');
}
