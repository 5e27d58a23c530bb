namespace OmniPg.Extractor;

/// <summary>Everything that decides about one extraction. Checked by each call that is given it, all failures at once.</summary>
/// <remarks>Not thread-safe; do not change it while an extraction runs.</remarks>
public sealed class ExtractionOptions : ICheckedOptions
{
    /// <summary>Kinds of objects to write. Default: all.</summary>
    public ObjectKinds Kinds { get; set; } = ObjectKinds.All;

    /// <summary>Which objects of these kinds. Default: all.</summary>
    public ExtractionFilter Filter { get; set; } = new();

    /// <summary>Folders and file names.</summary>
    public LayoutOptions Layout { get; set; } = new();

    /// <summary>Extra copies of triggers, rules and owned sequences in own files. Default: none.</summary>
    public FileCopies Copies { get; set; }

    /// <summary>Data to write; <see langword="null"/> (default) for definitions only.</summary>
    public DataOptions? Data { get; set; }

    /// <summary>
    /// Tables whose rows are written to <c>data/</c>, sorted by primary key, so that their diff is stable: <c>schema.table</c> as psql pattern. Default:
    /// none. Read in the same snapshot as the definitions; needs a server and a data source, not with <see cref="Data"/>. Sequence values are not written.
    /// </summary>
    public IReadOnlyList<string> ReferenceTables { get; set; } = [];

    /// <summary>Whether roles and memberships are written to <c>roles/roles.sql</c> (<c>--getroles</c>); needs a server. Default false.</summary>
    public bool Roles { get; set; }

    /// <summary>Whether each role has its own file instead. Default false.</summary>
    public bool RoleFiles { get; set; }

    /// <summary>Whether the password hashes of roles are written; needs a superuser. Default false.</summary>
    public bool IncludeRolePasswords { get; set; }

    /// <summary>Whether passwords of user mappings and subscriptions are written in clear text. Default false: <c>********</c>.</summary>
    public bool IncludeSecrets { get; set; }

    /// <summary>Leaves out owners (<c>--no_owner</c>). Default false.</summary>
    public bool NoOwner { get; set; }

    /// <summary>Leaves out grants and default privileges (<c>--no_acl</c>). Default false.</summary>
    public bool NoPrivileges { get; set; }

    /// <summary>DROP statements at the top of each file (<c>--clean</c>). A replay ignores them. Default false.</summary>
    public bool Clean { get; set; }

    /// <summary>DROP statements with IF EXISTS; only with <see cref="Clean"/>. Default false.</summary>
    public bool CleanIfExists { get; set; }

    /// <summary>CREATE OR REPLACE for routines, views and, from server 14, triggers (<c>--orreplace</c>). Default false.</summary>
    public bool OrReplace { get; set; }

    /// <summary>Where the archive is kept beside the tree (<c>--keep_dump</c>); <see langword="null"/> (default) for nowhere. It holds everything, secrets too.</summary>
    public string? KeepArchive { get; set; }

    /// <summary>What happens to files of earlier runs whose objects are gone. Default: kept.</summary>
    public StaleFiles StaleFiles { get; set; }

    /// <summary>Whether foreign files that stand where a file must be written are replaced. Default false: <see cref="TreeConflictException"/>.</summary>
    public bool OverwriteUnmanaged { get; set; }

    /// <summary>Whether a filter item that matches nothing is an error. Default false: it is reported.</summary>
    public bool StrictNames { get; set; }

    /// <summary>Whether warnings that mean missing objects, or parts of them, are errors (<see cref="PgDumpWarning.MeansMissing"/>). Default false: they are reported.</summary>
    public bool RequireComplete { get; set; }

    /// <summary>
    /// Whether the session settings of pg_dump stand at the top of each file, so that psql can run it alone, as with the original. A replay ignores them.
    /// Default false.
    /// </summary>
    public bool Prologue { get; set; }

    /// <summary>
    /// Whether <c>replay.sql</c> is written, with which psql alone builds the schema from the files. Files are cut for it: what comes after the rows
    /// stands in <c>x.post.sql</c>. Default false. Not with <see cref="Clean"/>.
    /// </summary>
    public bool PsqlDriver { get; set; }

    /// <summary>Encoding of the dump, as PostgreSQL names it; null (default) for that of <see cref="ExtractorOptions.Encoding"/>. Not for archives that exist already.</summary>
    public string? Encoding { get; set; }

    /// <summary>Where partitions go. Default: own files.</summary>
    public PartitionFiles Partitions { get; set; }

    /// <summary>Whether optimizer statistics of PostgreSQL 18 dumps and newer are written, to <c>statistics/</c>. Default false.</summary>
    public bool StatisticsData { get; set; }

    /// <summary>
    /// Changes to entries on their way into files, in order: rename owners, drop tablespaces, mask, leave out. Each is given the entry as dumped, after those
    /// before it, and returns the same entry, a changed copy (<c>entry with { … }</c>), or null to leave it out. Default: none.
    /// </summary>
    /// <remarks>Called once per entry in replay order, on one thread. The result must depend on the entry alone, or the tree is not reproducible.</remarks>
    public IReadOnlyList<Func<TocEntry, TocEntry?>> Transforms { get; set; } = [];

    /// <summary>
    /// Bytes of pg_dump's output to take in a second, at least 1; <see langword="null"/> (default) for as fast as it comes. Stands for <c>--wait</c>:
    /// pg_dump waits while the pipe is full. Its snapshot and locks last the longer; not for archives that exist already.
    /// </summary>
    public long? MaxBytesPerSecond { get; set; }

    /// <summary>How many files are compared and written at once; the result does not depend on it. Default: number of processors; at least 1.</summary>
    public int MaxDegreeOfParallelism { get; set; } = Environment.ProcessorCount;

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.That(Filter is not null && Layout is not null && ReferenceTables is not null && Transforms is not null,
            "Filter, Layout, ReferenceTables and Transforms cannot be null: leave them as they are for none.");
        if (Filter is null || ReferenceTables is null)
            return;
        check.That((Kinds & ObjectKinds.All) != ObjectKinds.None || Roles, "No kinds of objects are set, so there is nothing to extract.");
        check.That(MaxDegreeOfParallelism >= 1, $"MaxDegreeOfParallelism is '{MaxDegreeOfParallelism}', it must be at least '1'.");
        check.That(!CleanIfExists || Clean, "CleanIfExists needs Clean.");
        check.That(!PsqlDriver || !Clean, "PsqlDriver and Clean exclude each other: the script builds an empty database.");
        check.That(!IncludeRolePasswords || Roles, "IncludeRolePasswords needs Roles.");
        check.That(!RoleFiles || Roles, "RoleFiles needs Roles.");
        check.That(Filter.Tables.IsEmpty || Kinds.HasFlag(ObjectKinds.Tables), NotExtracted("tables"));
        check.That(Filter.Views.IsEmpty || Kinds.HasFlag(ObjectKinds.Views), NotExtracted("views"));
        check.That(Filter.Routines.IsEmpty || Kinds.HasFlag(ObjectKinds.Routines), NotExtracted("routines"));
        check.That(Filter.Extensions.IsEmpty || Kinds.HasFlag(ObjectKinds.Extensions), NotExtracted("extensions"));
        check.That(Filter.TableData.IsEmpty || Data is not null, NotExtracted("rows"));
        check.That(Filter.ForeignData.IsEmpty || Data is not null, "There is a filter on foreign servers, but rows are not extracted.");
        check.That(Filter.ForeignData.HasOnlyPlainInclusions,
            "Servers for ForeignData can be included by pattern only, as pg_dump takes them.");
        check.That(MaxBytesPerSecond is null or >= 1, $"MaxBytesPerSecond is '{MaxBytesPerSecond}', it must be at least '1'.");
        check.That(Copies == FileCopies.None || Kinds.HasFlag(ObjectKinds.Tables),
            "Copies of triggers, rules and sequences need the kind Tables.");
        check.That(ReferenceTables.Count == 0 || Data is null,
            "Data writes the rows of all tables, ReferenceTables those of some; set one of them.");
        check.That(ReferenceTables.Count == 0 || Kinds.HasFlag(ObjectKinds.Tables), "ReferenceTables needs the kind Tables.");
        check.That(Data is not { RowsPerInsert: < 1 }, $"RowsPerInsert is '{Data?.RowsPerInsert}', it must be at least '1'.");
        check.That(Data is null or { Format: not DataFormat.Copy } or { RowsPerInsert: null, OnConflictDoNothing: false },
            "RowsPerInsert and OnConflictDoNothing need rows as INSERT statements.");
    }

    private static string NotExtracted(string kind) => $"There is a filter on {kind}, but {kind} are not extracted.";
}

/// <summary>Which data an extraction writes beside the definitions. Rows go to <c>data/</c>, sequence values and refreshes to their object's file.</summary>
public sealed class DataOptions
{
    /// <summary>COPY or INSERT. Default COPY. Concerns dumps only: an existing archive holds what it holds.</summary>
    public DataFormat Format { get; set; }

    /// <summary>Rows per INSERT statement, at least 1; null (default) for one.</summary>
    public int? RowsPerInsert { get; set; }

    /// <summary>Whether INSERT statements skip rows that exist. Default false.</summary>
    public bool OnConflictDoNothing { get; set; }

    /// <summary>Whether large objects are written, with their contents. Default false.</summary>
    public bool IncludeLargeObjects { get; set; }
}

/// <summary>Extra files that repeat a part of another file, as the original wrote them; combine with <c>|</c>. Copies are never replayed.</summary>
[Flags]
public enum FileCopies
{
    /// <summary>No copies; the default.</summary>
    None = 0,

    /// <summary>Sequences owned by a table also in <c>sequences/</c> (<c>--getsequences</c>).</summary>
    OwnedSequences = 1,

    /// <summary>Each trigger also in <c>triggers/&lt;schema&gt;.&lt;table&gt;.&lt;name&gt;.sql</c> (<c>--gettriggers</c>).</summary>
    Triggers = 2,

    /// <summary>Each rule also in <c>rules/&lt;schema&gt;.&lt;table&gt;.&lt;name&gt;.sql</c> (<c>--getrules</c>).</summary>
    Rules = 4,
}

/// <summary>What happens to files whose objects are gone. Names that start with a dot and links are never touched.</summary>
public enum StaleFiles
{
    /// <summary>They stay and are reported; the tree no longer counts them as part of the schema. The default.</summary>
    Keep,

    /// <summary>Deleted when an earlier run wrote them: named by the manifest, or carrying the header comment of an entry.</summary>
    Delete,

    /// <summary>Every <c>.sql</c> file below the tree that this run did not write is deleted, as with <c>--delete</c> of the original.</summary>
    DeleteAllSql,
}

/// <summary>Where partitions go.</summary>
public enum PartitionFiles
{
    /// <summary>Each partition has its own file. The default.</summary>
    Own,

    /// <summary>Partitions are written into the file of the topmost partitioned table.</summary>
    WithParent,

    /// <summary>Partitions are left out, with all that belongs to them: for sets that a job creates. Such a tree is not complete.</summary>
    LeaveOut,
}
