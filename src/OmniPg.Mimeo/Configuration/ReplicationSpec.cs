using System.Collections.ObjectModel;
using System.Globalization;

namespace OmniPg.Mimeo;

/// <summary>How a table is kept like its source.</summary>
public enum ReplicationKind
{
    /// <summary>All rows each time, into the one of two tables that a view does not show; then the view changes over. Type <c>snap</c> of the original.</summary>
    Snapshot,

    /// <summary>All rows each time, in one transaction, into the emptied table. Type <c>table</c> of the original.</summary>
    Table,

    /// <summary>Rows beyond the largest value of a column, which are never changed later. Types <c>inserter_time</c> and <c>inserter_serial</c>.</summary>
    Inserter,

    /// <summary>Rows beyond the largest value of a column, in place of older rows of the same key. Types <c>updater_time</c> and <c>updater_serial</c>.</summary>
    Updater,

    /// <summary>Every insert, update and delete, by a queue of keys that a trigger at the source fills. Type <c>dml</c> of the original.</summary>
    Dml,

    /// <summary>The same, but a deleted row stays, with the time in column <c>mimeo_source_deleted</c>. Type <c>logdel</c> of the original.</summary>
    Logdel,

    /// <summary>Every insert, update, delete and TRUNCATE, read from the source's log by a publication and a slot. The original has none like it.</summary>
    Logical,
}

/// <summary>One table at the destination: where its rows come from, and how.</summary>
/// <remarks>Immutable: <see cref="IMimeo.CreateAsync"/> takes it, <see cref="IMimeo.ListAsync"/> gives it back. A row of a table <c>refresh_config_…</c>.</remarks>
public sealed record ReplicationSpec
{
    /// <summary>The method.</summary>
    public required ReplicationKind Kind { get; init; }

    /// <summary>Name of the source, as given to <see cref="IMimeo.AddSourceAsync"/>; for one that the extension alone knows, its number.</summary>
    public required string From { get; init; }

    /// <summary>Table, partitioned table, view, materialized view or foreign table at the source; with its schema.</summary>
    public required QualifiedName Source { get; init; }

    /// <summary>Table at the destination, with its schema. Default null: the name of <see cref="Source"/>.</summary>
    public QualifiedName? Destination { get; init; }

    /// <summary>Columns that are copied. Default empty: all that the source has at each refresh.</summary>
    public IReadOnlyList<string> Columns { get; init; } = [];

    /// <summary>
    /// SQL behind the name of the source, run there as it stands: <c>WHERE …</c>, or a comma, further tables and <c>WHERE …</c>. Default null: all rows.
    /// </summary>
    public string? Condition { get; init; }

    /// <summary>
    /// Names of copied columns, and the SQL that stands for each at the source, as in <c>md5(email)</c>: the value itself never leaves it. It is cast to the column's type. Default none; neither of the
    /// key nor of the cursor, and not for logdel and logical, whose deleted rows and log hold the values as they were.
    /// </summary>
    public IReadOnlyDictionary<string, string> Expressions { get; init; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary>Whether rows that are deleted at the source, or leave the condition, stay as they were. Default false. Dml and logical, whose TRUNCATE is not followed then either.</summary>
    public bool IgnoreDeletes { get; init; }

    /// <summary>
    /// Whether the image of a deleted row that has to make room in the table, for a live row of its key or for a newer image, moves to table <c>&lt;destination&gt;_deleted</c>, which the set-up makes for the owner
    /// of the destination, rather than being lost. Default false. Logdel only, with a name of at most 55 bytes, and not in tables of the extension. Refused where something else has that name.
    /// </summary>
    public bool KeepHistory { get; init; }

    /// <summary>Column that only grows. Inserter and updater need it; the others have none.</summary>
    public CursorColumn? Cursor { get; init; }

    /// <summary>Columns that tell rows apart. Default empty: the source's primary key, else its oldest unique index. Not for kinds that read all rows, nor for an inserter; an updater of a view needs it.</summary>
    public IReadOnlyList<string> Key { get; init; } = [];

    /// <summary>Time after which the table is due again. Default null: a scheduler leaves it alone.</summary>
    public PgInterval? Period { get; init; }

    /// <summary>Most rows, or entries of the queue, of one refresh. Default null: all. Not for kinds that read all rows.</summary>
    public int? BatchLimit { get; init; }

    /// <summary>Whether its runs are written to the job log, where the client has one. Default true; on tables of the extension always false where the extension pg_jobmon is missing.</summary>
    public bool Audit { get; init; } = true;

    /// <summary>Whether a snapshot is left out when its source had no writes. Default true; the other kinds know no such skip, and false is refused for them.</summary>
    public bool SkipUnchanged { get; init; } = true;

    /// <summary>Statements run at the destination after a snapshot was rebuilt because its columns changed. Default none.</summary>
    public IReadOnlyList<string> PostScript { get; init; } = [];

    /// <summary>Whether a reload truncates the tables that refer to this one, too. Default false.</summary>
    public bool TruncateCascade { get; init; }

    /// <summary>Sequences that a reload sets to the largest value of the columns that use them. Default none.</summary>
    public IReadOnlyList<QualifiedName> Sequences { get; init; } = [];

    /// <summary>What a refresh does about columns that the source has and the destination has not. Default <see cref="DriftPolicy.Fail"/>. Not for a snapshot, which is made anew then.</summary>
    public DriftPolicy Drift { get; init; }

    /// <summary>Largest cursor value at the destination, as the server writes it; of a logical table the position in the source's log; null before there is one, and for the other kinds.</summary>
    public string? LastValue { get; init; }

    /// <summary>Table of the source that collects the keys of changed rows, <c>control</c>; null for kinds without one. <see cref="IMimeo.CreateAsync"/> makes and names it.</summary>
    public QualifiedName? Queue { get; init; }

    /// <summary>When the last refresh ended; null before the first.</summary>
    public DateTimeOffset? LastRun { get; init; }

    /// <summary>The table at the destination.</summary>
    public QualifiedName Target => Destination ?? Source;

    /// <summary>Name of the publication and the slot of the source that a logical table is fed by; null for the other kinds. <see cref="IMimeo.CreateAsync"/> makes and names them.</summary>
    public string? Slot { get; init; }

    /// <summary>A specification out of names and texts: those of the properties, in any case, as a section of a configuration has them.</summary>
    /// <param name="destination">The table at the destination.</param>
    /// <param name="values">
    /// Names and texts; a null stands for the default. A list, of which an empty text is the empty one, has a name for each place (<c>Columns:0</c>), an expression the column's (<c>Expressions:email</c>), the cursor <c>Cursor:Time</c> or <c>Cursor:Serial</c>, the column, and
    /// <c>Cursor:Boundary</c> and <c>Cursor:Mode</c>. <c>Kind</c> and <c>From</c> are needed; without <c>Source</c> it is the destination's name. What the set-up makes cannot be given.
    /// </param>
    /// <exception cref="FormatException">One of them cannot be read, is missing, stands there twice or means nothing; the message says which.</exception>
    public static ReplicationSpec Parse(QualifiedName destination, IEnumerable<KeyValuePair<string, string?>> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        return Reader.Parse(destination, values);
    }

    internal bool HasQueue => Kind is ReplicationKind.Dml or ReplicationKind.Logdel;

    internal bool HasChanges => HasQueue || Kind == ReplicationKind.Logical;

    internal bool KeepsDeleted => IgnoreDeletes || Kind == ReplicationKind.Logdel;

    internal bool HasCursor => Kind is ReplicationKind.Inserter or ReplicationKind.Updater;

    /// <summary>A specification out of names and texts, as a section of a configuration flattens them: <c>Columns:0</c>, <c>Cursor:Time</c>.</summary>
    private sealed class Reader
    {
        private readonly Dictionary<string, string> _values = new(StringComparer.OrdinalIgnoreCase);
        private readonly HashSet<string> _taken = new(StringComparer.OrdinalIgnoreCase) { "Cursor" };
        private readonly List<string> _empty = [];

        private Reader(IEnumerable<KeyValuePair<string, string?>> values)
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
            var text = new Reader(values);
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
}
