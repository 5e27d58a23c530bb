using OmniPg.Extractor.Archives.Reading;
using OmniPg.Extractor.Extraction;

namespace OmniPg.Extractor;

/// <summary>Describes one extraction and runs it. Each call changes this builder and returns it; not thread-safe.</summary>
public sealed class ExtractionBuilder
{
    private readonly IArchiveSource _source;
    private readonly RunContext _context;
    private string? _directory;

    internal ExtractionBuilder(IArchiveSource source, RunContext context, ExtractionOptions? options = null)
    {
        _source = source;
        _context = context;
        Options = options ?? new ExtractionOptions();
    }

    /// <summary>All options of this extraction; the methods of the builder set them.</summary>
    public ExtractionOptions Options { get; }

    /// <summary>Chooses the kinds of objects. Default: all.</summary>
    /// <param name="kinds">Kinds, combined with <c>|</c>.</param>
    /// <returns>This builder.</returns>
    public ExtractionBuilder Kinds(ObjectKinds kinds) => With(options => options.Kinds = kinds);

    /// <summary>Sets filters.</summary>
    /// <param name="configure">Fills the filter; whatever is returned is ignored, so that one expression can go through several filters.</param>
    /// <returns>This builder.</returns>
    public ExtractionBuilder Where(Func<ExtractionFilter, NameFilter> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        configure(Options.Filter);
        return this;
    }

    /// <summary>Sets folders and file names.</summary>
    /// <param name="configure">Changes the layout.</param>
    /// <returns>This builder.</returns>
    public ExtractionBuilder Layout(Action<LayoutOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        configure(Options.Layout);
        return this;
    }

    /// <summary>Changes any option.</summary>
    /// <param name="configure">Changes the options.</param>
    /// <returns>This builder.</returns>
    public ExtractionBuilder With(Action<ExtractionOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        configure(Options);
        return this;
    }

    /// <summary>Writes roles and memberships, without passwords (<c>pg_dumpall --roles-only</c>).</summary>
    /// <param name="includePasswords">Whether password hashes are written; needs a superuser. Default false.</param>
    /// <returns>This builder.</returns>
    public ExtractionBuilder Roles(bool includePasswords = false) =>
        With(options => (options.Roles, options.IncludeRolePasswords) = (true, includePasswords));

    /// <summary>Writes each role, with its settings and memberships, to a file of its own instead of <c>roles/roles.sql</c>.</summary>
    /// <returns>This builder.</returns>
    public ExtractionBuilder RoleFiles() => With(static options => (options.Roles, options.RoleFiles) = (true, true));

    /// <summary>Writes roles with their password hashes, which needs a superuser.</summary>
    /// <returns>This builder.</returns>
    public ExtractionBuilder IncludeRolePasswords() => With(static options => (options.Roles, options.IncludeRolePasswords) = (true, true));

    /// <summary>Limits how fast pg_dump's output is taken, so that the server and its disks have room for others.</summary>
    /// <param name="bytesPerSecond">Bytes a second on average, at least 1.</param>
    /// <returns>This builder.</returns>
    public ExtractionBuilder Throttle(long bytesPerSecond) => With(options => options.MaxBytesPerSecond = bytesPerSecond);

    /// <summary>Writes rows and sequence values, too.</summary>
    /// <param name="data">How; <see langword="null"/> (default) for COPY without large objects.</param>
    /// <returns>This builder.</returns>
    public ExtractionBuilder WithData(DataOptions? data = null) => With(options => options.Data = data ?? new DataOptions());

    /// <summary>Writes the rows of some tables to <c>data/</c>, sorted by primary key, so that their diff is stable.</summary>
    /// <param name="tables"><c>schema.table</c> as psql pattern; a partitioned table stands for its partitions. Each needs a primary key.</param>
    /// <returns>This builder.</returns>
    public ExtractionBuilder ReferenceData(params ReadOnlySpan<string> tables)
    {
        foreach (var table in tables)
        {
            ArgumentException.ThrowIfNullOrEmpty(table);
            Options.ReferenceTables.Add(table);
        }
        return this;
    }

    /// <summary>Leaves owners out.</summary>
    /// <returns>This builder.</returns>
    public ExtractionBuilder NoOwner() => With(static options => options.NoOwner = true);

    /// <summary>Leaves grants and default privileges out.</summary>
    /// <returns>This builder.</returns>
    public ExtractionBuilder NoPrivileges() => With(static options => options.NoPrivileges = true);

    /// <summary>Puts DROP statements at the top of each file.</summary>
    /// <param name="ifExists">Whether with IF EXISTS. Default false.</param>
    /// <returns>This builder.</returns>
    public ExtractionBuilder Clean(bool ifExists = false) => With(options => (options.Clean, options.CleanIfExists) = (true, ifExists));

    /// <summary>Writes CREATE OR REPLACE where the server knows it.</summary>
    /// <returns>This builder.</returns>
    public ExtractionBuilder OrReplace() => With(static options => options.OrReplace = true);

    /// <summary>Writes passwords of user mappings and subscriptions in clear text.</summary>
    /// <returns>This builder.</returns>
    public ExtractionBuilder IncludeSecrets() => With(static options => options.IncludeSecrets = true);

    /// <summary>Keeps pg_dump's archive in a file, with everything in it.</summary>
    /// <param name="path">The file; replaced when the extraction succeeds.</param>
    /// <returns>This builder.</returns>
    public ExtractionBuilder KeepArchive(string path) => With(options => options.KeepArchive = path);

    /// <summary>Deletes files whose objects are gone.</summary>
    /// <param name="allSql">Whether every other <c>.sql</c> file goes, too, as with the original. Default false: only files of earlier runs.</param>
    /// <returns>This builder.</returns>
    public ExtractionBuilder DeleteStale(bool allSql = false) =>
        With(options => options.StaleFiles = allSql ? StaleFiles.DeleteAllSql : StaleFiles.Delete);

    /// <summary>Writes <c>replay.sql</c>, too, and cuts files so that psql can run them one after the other.</summary>
    /// <returns>This builder.</returns>
    public ExtractionBuilder PsqlDriver() => With(static options => options.PsqlDriver = true);

    /// <summary>Makes a filter item that matches nothing an error.</summary>
    /// <returns>This builder.</returns>
    public ExtractionBuilder StrictNames() => With(static options => options.StrictNames = true);

    /// <summary>Makes it an error that objects, or parts of them, are missing for want of rights.</summary>
    /// <returns>This builder.</returns>
    public ExtractionBuilder RequireComplete() => With(static options => options.RequireComplete = true);

    /// <summary>Adds a change to entries on their way into files.</summary>
    /// <param name="transform">Called for every entry, after those added before.</param>
    /// <returns>This builder.</returns>
    public ExtractionBuilder Transform(IEntryTransform transform)
    {
        ArgumentNullException.ThrowIfNull(transform);
        return With(options => options.Transforms.Add(transform));
    }

    /// <summary>Begins anew with the options that a schema was extracted with, so that the two can be compared.</summary>
    /// <param name="snapshot">The schema. Its <see cref="ExtractionOptions.Transforms"/> are not known and must be added again.</param>
    /// <returns>A new builder for the same source.</returns>
    public ExtractionBuilder WithOptionsOf(SchemaSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        var options = OptionText.Read(snapshot.Options);
        // Text that nobody can decode must be read the same way on both sides.
        if (_source is DumpArchiveSource && snapshot.Environment.Encoding is { } encoding && ArchiveEncodings.IsRaw(encoding))
            options.Encoding = encoding;
        return new ExtractionBuilder(_source, _context, options);
    }

    /// <summary>Sets the directory that <see cref="RunAsync"/> writes.</summary>
    /// <param name="path">The tree; created when missing.</param>
    /// <returns>This builder.</returns>
    public ExtractionBuilder ToDirectory(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        _directory = path;
        return this;
    }

    /// <summary>Extracts into the directory: afterwards it is the new tree, or, after an error, still the old one.</summary>
    /// <param name="progress">Told about ten times a second, and at the end.</param>
    /// <param name="cancellationToken">Ends pg_dump; the tree stays as it was.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="ExtractorOptionException">Options contradict each other.</exception>
    /// <exception cref="TreeConflictException">Another extraction works on the tree, or something foreign is in the way.</exception>
    /// <exception cref="ReferenceDataException">Rows of a reference table cannot be read.</exception>
    /// <exception cref="IncompleteExtractionException">Objects are missing and <see cref="RequireComplete"/> is set.</exception>
    /// <exception cref="ExtractorException">The archive cannot be made or read.</exception>
    /// <exception cref="IOException">The disk is full or refuses.</exception>
    /// <exception cref="InvalidOperationException">No directory is set.</exception>
    public Task<ExtractionReport> RunAsync(IProgress<ExtractionProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var directory = _directory ?? throw new InvalidOperationException("Call ToDirectory before RunAsync.");
        return new TreeRun(_source, Options, directory, _context, progress).RunAsync(cancellationToken);
    }

    /// <summary>Extracts definitions into memory, for comparison or inspection.</summary>
    /// <param name="cancellationToken">Ends pg_dump.</param>
    /// <returns>All entries with their SQL text.</returns>
    /// <exception cref="ExtractorException">As <see cref="RunAsync"/>.</exception>
    public Task<SchemaSnapshot> ToSnapshotAsync(CancellationToken cancellationToken = default) =>
        SnapshotRun.RunAsync(_source, Options, cancellationToken);
}
