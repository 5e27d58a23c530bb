using System.Globalization;

namespace OmniPg.Mimeo;

/// <summary>A specification out of names and texts, as a section of a configuration flattens them: <c>Columns:0</c>, <c>Cursor:Time</c>.</summary>
internal sealed class SpecText
{
    private readonly Dictionary<string, string> _values = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<string> _taken = new(StringComparer.OrdinalIgnoreCase) { "Cursor" };
    private readonly List<string> _empty = [];

    private SpecText(IEnumerable<KeyValuePair<string, string?>> values)
    {
        foreach (var (name, text) in values)
        {
            if (text is null)
                _empty.Add(name);
            else if (!_values.TryAdd(name, text))
                throw new FormatException($"'{name}' stands there twice.");
        }
    }

    /// <exception cref="FormatException">One of them cannot be read, is missing or means nothing.</exception>
    public static ReplicationSpec Parse(QualifiedName destination, IEnumerable<KeyValuePair<string, string?>> values)
    {
        var text = new SpecText(values);
        var spec = new ReplicationSpec
        {
            Kind = text.Take("Kind", Word<ReplicationKind>) ?? throw new FormatException("'Kind' is missing."),
            From = text.Take("From") ?? throw new FormatException("'From' is missing."),
            Source = text.Take("Source", t => QualifiedName.Parse(t)) ?? destination,
            Destination = destination,
            Columns = text.List("Columns"),
            Condition = text.Take("Condition") switch { "" => throw new FormatException("'Condition' is empty; without it all rows are meant."), var condition => condition },
            Expressions = text.Texts("Expressions"),
            IgnoreDeletes = text.Take("IgnoreDeletes", bool.Parse) ?? false,
            KeepHistory = text.Take("KeepHistory", bool.Parse) ?? false,
            Cursor = text.Cursor(),
            Key = text.List("Key"),
            Period = text.Take("Period", t => PgInterval.Parse(t)),
            BatchLimit = text.Take("BatchLimit", t => int.Parse(t, NumberStyles.None, CultureInfo.InvariantCulture)),
            Audit = text.Take("Audit", bool.Parse) ?? true,
            SkipUnchanged = text.Take("SkipUnchanged", bool.Parse) ?? true,
            PostScript = text.List("PostScript"),
            TruncateCascade = text.Take("TruncateCascade", bool.Parse) ?? false,
            Drift = text.Take("Drift", Word<DriftPolicy>) ?? DriftPolicy.Fail,
            Sequences = [.. text.List("Sequences").Select(q => QualifiedName.Parse(q))],
        };
        // A section has its own name without a text, and so has what is declared as null.
        var unknown = text._values.Keys.Concat(text._empty.Where(name => !text._taken.Contains(name))).Order(StringComparer.OrdinalIgnoreCase).FirstOrDefault();
        return unknown is null ? spec
            : throw new FormatException(text._taken.Contains(unknown.Split(':')[0]) ? $"'{unknown}' has no value that can be read." : $"'{unknown}': a table has no such property.");
    }

    private static T Word<T>(string text)
        where T : struct, Enum => text.All(char.IsAsciiLetter) && Enum.TryParse<T>(text, ignoreCase: true, out var word)
        ? word : throw new FormatException($"It is none of {string.Join(", ", Enum.GetNames<T>())}.");

    private CursorColumn? Cursor()
    {
        var (time, serial, boundary, mode) = (Take("Cursor:Time"), Take("Cursor:Serial"), Take("Cursor:Boundary"), Take("Cursor:Mode", Word<BoundaryMode>));
        try
        {
            return (time, serial) switch
            {
                (null, null) => boundary is null && mode is null ? null : throw new FormatException("It needs Time or Serial."),
                ({ } column, null) => CursorColumn.Time(column, boundary is null ? (PgInterval?)null : PgInterval.Parse(boundary)) with { Mode = mode ?? BoundaryMode.Fixed },
                (null, { }) when mode is not null and not BoundaryMode.Fixed => throw new FormatException("Mode is for a column of times."),
                (null, { } column) => boundary is null ? CursorColumn.Serial(column) : CursorColumn.Serial(column, long.Parse(boundary, NumberStyles.None, CultureInfo.InvariantCulture)),
                _ => throw new FormatException("Time and Serial contradict each other."),
            };
        }
        catch (Exception error) when (error is FormatException or OverflowException or ArgumentException)
        {
            throw new FormatException($"'Cursor' cannot be read: {error.Message}", error);
        }
    }

    private string? Take(string name)
    {
        _taken.Add(name);
        return _values.Remove(name, out var text) ? text : null;
    }

    private T? Take<T>(string name, Func<string, T> read)
        where T : struct
    {
        if (Take(name) is not { } text)
            return null;
        try
        {
            return read(text);
        }
        catch (Exception error) when (error is FormatException or OverflowException or ArgumentException)
        {
            throw new FormatException($"'{name}' cannot be '{text}': {error.Message}", error);
        }
    }

    private Dictionary<string, string> Texts(string name)
    {
        if (Take(name) is { Length: > 0 })
            throw new FormatException($"'{name}' has a text for each column.");
        var prefix = name + ":";
        return _values.Keys.Where(k => k.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)).ToArray().ToDictionary(k => k[prefix.Length..], k => Take(k)!, StringComparer.Ordinal);
    }

    private string[] List(string name)
    {
        // An empty list of a configuration is an empty text.
        if (Take(name) is { Length: > 0 })
            throw new FormatException($"'{name}' is a list.");
        var (prefix, list) = (name + ":", new SortedDictionary<int, string>());
        foreach (var key in _values.Keys.Where(k => k.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            if (!int.TryParse(key.AsSpan(prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var place) || !list.TryAdd(place, Take(key)!))
                throw new FormatException($"'{key}' is no place of a list.");
        }
        return [.. list.Values];
    }
}
