namespace OmniPg.Extractor;

/// <summary>Everything that decides about one extraction. <see cref="ExtractionBuilder"/> fills it; configuration files can, too.</summary>
/// <remarks>Not thread-safe; do not change it while an extraction runs.</remarks>
public sealed class ExtractionOptions
{
    /// <summary>Kinds of objects to write. Default: all.</summary>
    public ObjectKinds Kinds { get; set; } = ObjectKinds.All;

    /// <summary>Which objects of these kinds. Default: all.</summary>
    public ExtractionFilter Filter { get; } = new();

    /// <summary>Folders and file names.</summary>
    public LayoutOptions Layout { get; } = new();

    /// <summary>Extra copies of triggers, rules and owned sequences in own files. Default: none.</summary>
    public FileCopies Copies { get; set; }

    /// <summary>Data to write; <see langword="null"/> (default) for definitions only.</summary>
    public DataOptions? Data { get; set; }

    /// <summary>
    /// Tables whose rows are written to <c>data/</c>, sorted by primary key, so that their diff is stable: <c>schema.table</c> as psql pattern. Default:
    /// none. Read in the same snapshot as the definitions; needs a server and a data source, not with <see cref="Data"/>. Sequence values are not written.
    /// </summary>
    public IList<string> ReferenceTables { get; } = [];

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

    /// <summary>What stands at the top of each file. Default: nothing.</summary>
    public FilePrologue Prologue { get; set; }

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

    /// <summary>Changes to entries on their way into files, in order. Default: none.</summary>
    public IList<IEntryTransform> Transforms { get; } = [];

    /// <summary>
    /// Bytes of pg_dump's output to take in a second, at least 1; <see langword="null"/> (default) for as fast as it comes. Stands for <c>--wait</c>:
    /// pg_dump waits while the pipe is full. Its snapshot and locks last the longer; not for archives that exist already.
    /// </summary>
    public long? MaxBytesPerSecond { get; set; }

    /// <summary>How many files are compared and written at once; the result does not depend on it. Default: number of processors; at least 1.</summary>
    public int MaxDegreeOfParallelism { get; set; } = Environment.ProcessorCount;
}
