using System.Text;

namespace OmniPg.Extractor;

/// <summary>The transforms behind the options of an extraction, in the order in which they run.</summary>
internal sealed class EntryTransforms
{
    private readonly ExtractionOptions _options;
    private readonly int _serverMajor;
    private readonly bool _standardStrings;

    public EntryTransforms(ExtractionOptions options, int serverMajor, bool standardStrings)
    {
        _standardStrings = standardStrings;
        _options = options;
        _serverMajor = serverMajor;
    }

    /// <returns>The entry to write, and whether secrets were taken out of it; null when a transform leaves it out.</returns>
    public (TocEntry Entry, bool Redacted)? Apply(TocEntry entry)
    {
        entry = InstanceNumbers.Remove(entry);
        if (!_standardStrings && entry.Definition is { } definition)
            entry = entry with { Definition = StandardStrings.Conforming(definition) };
        foreach (var transform in _options.Transforms)
        {
            if (transform(entry) is not { } changed)
                return null;
            entry = changed;
        }
        if (_options.NoOwner)
            entry = entry with { Owner = null };
        if (_options.OrReplace)
            entry = OrReplace(entry);
        if (_options.IncludeSecrets || !SecretRedactor.Concerns(entry.Kind) || entry.Definition is null)
            return (entry, false);
        var redacted = SecretRedactor.Redact(entry.Definition);
        return ReferenceEquals(redacted, entry.Definition) ? (entry, false) : (entry with { Definition = redacted }, true);
    }

    // CREATE becomes CREATE OR REPLACE where the server knows it: only in the first words of the definition, never inside a body.
    private TocEntry OrReplace(TocEntry entry)
    {
        if (!KnowsReplace(entry.Kind) || entry.Definition is not { } definition)
            return entry;
        var reader = new SqlTokenReader(definition);
        var create = reader.Next();
        var what = reader.Next();
        return create.IsKeyword("CREATE") && what.IsKeyword(entry.Desc)
            ? entry with { Definition = definition[..create.End] + " OR REPLACE" + definition[create.End..] }
            : entry;
    }

    // CREATE CONSTRAINT TRIGGER and CREATE RECURSIVE VIEW start with another second word and stay as they are.
    private bool KnowsReplace(TocKind kind) => kind switch
    {
        TocKind.Function or TocKind.Procedure or TocKind.Aggregate or TocKind.View => true,
        TocKind.Trigger => _serverMajor >= 14,
        _ => false,
    };

    /// <summary>Takes column options out that number an instance rather than say anything about the schema.</summary>
    /// <remarks>
    /// Servers from 15.20 and 17.12 on keep <c>pg_attver</c> in <c>pg_attribute.attoptions</c>. The pg_dump of the same release hides it; one that does not
    /// know it, an older minor or another major, prints it, and no other server accepts it.
    /// </remarks>
    internal static class InstanceNumbers
    {
        private const string Option = "pg_attver";

        public static TocEntry Remove(TocEntry entry) =>
            entry.Kind is TocKind.Table or TocKind.ForeignTable or TocKind.MaterializedView or TocKind.View or TocKind.Index
            && entry.Definition?.Contains(Option, StringComparison.Ordinal) == true
                ? entry with { Definition = Without(entry.Definition) }
                : entry;

        private static string Without(string definition)
        {
            var result = new StringBuilder(definition);
            foreach (var statement in StatementSplitter.Split(definition).Reverse())
            {
                if (OptionsIn(statement.Text) is not { } options)
                    continue;
                var kept = options.Items.Where(static item => !item.StartsWith(Option + "=", StringComparison.Ordinal)).ToList();
                if (kept.Count == options.Items.Count)
                    continue;
                if (kept.Count > 0)
                {
                    result.Remove(statement.Offset + options.Start, options.End - options.Start).Insert(statement.Offset + options.Start, string.Join(", ", kept));
                    continue;
                }
                // The statement goes with its semicolon and the line end behind it.
                var end = statement.Offset + statement.Text.Length;
                while (end < result.Length && result[end] is ';' or '\n')
                    end++;
                var isLast = end == result.Length;
                result.Remove(statement.Offset, end - statement.Offset);
                if (isLast)
                    TrimEnd(result);
                else if (statement.Offset > 0 && result[statement.Offset - 1] != '\n')
                    result.Insert(statement.Offset, '\n');
            }
            return result.ToString();
        }

        private static void TrimEnd(StringBuilder text)
        {
            while (text.Length > 0 && text[^1] is '\n' or ' ')
                text.Length--;
            text.Append('\n');
        }

        // ALTER TABLE ONLY s.t ALTER COLUMN c SET (a=1, b=2)
        private static (int Start, int End, List<string> Items)? OptionsIn(string statement)
        {
            var reader = new SqlTokenReader(statement);
            if (!reader.Next().IsKeyword("ALTER") || !reader.SkipTo("COLUMN"))
                return null;
            reader.Next();
            var open = reader.Next().IsKeyword("SET") ? reader.Next() : default;
            if (open.Kind != SqlTokenKind.Symbol || !open.IsSymbol('('))
                return null;
            var (items, from) = (new List<string>(), open.End);
            for (var token = reader.Next(); token.Kind != SqlTokenKind.End; token = reader.Next())
            {
                if (!token.IsSymbol(',') && !token.IsSymbol(')'))
                    continue;
                items.Add(statement[from..token.Start].Trim());
                from = token.End;
                if (token.IsSymbol(')'))
                    return (open.End, token.Start, items);
            }
            return null;
        }
    }
}
