using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;

namespace OmniPg.Extractor;

/// <summary>Writes every object of a schema into its own file, straight from one pg_dump stream. Stands for PG Extractor. Thread-safe.</summary>
public sealed class SchemaExtractor : IPgExtractor
{
    private readonly ExtractorOptions _options;
    private readonly PgDumpRunner _runner;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    /// <summary>Creates an extractor.</summary>
    /// <param name="options">Programs and limits; null for the defaults.</param>
    /// <param name="launcher">Starts pg_dump; null for child processes of this one.</param>
    /// <param name="loggerFactory">Takes what happens; null for none.</param>
    /// <param name="timeProvider">Clock for durations; null for the system's.</param>
    /// <exception cref="OptionsValidationException">Options cannot work: all failures at once.</exception>
    public SchemaExtractor(
        ExtractorOptions? options = null, IProcessLauncher? launcher = null, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        _options = OptionsCheck.Require(options ?? new ExtractorOptions());
        loggerFactory ??= NullLoggerFactory.Instance;
        _runner = new PgDumpRunner(_options.Tools, launcher, loggerFactory, timeProvider);
        _time = timeProvider ?? TimeProvider.System;
        _logger = loggerFactory.CreateLogger<SchemaExtractor>();
    }

    /// <inheritdoc/>
    public Extraction From(NpgsqlDataSource dataSource)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        return Begin(new DumpArchiveSource(_runner, PgDumpSource.FromDataSource(dataSource), _options, dataSource));
    }

    /// <inheritdoc/>
    public Extraction From(PgDumpSource source, NpgsqlDataSource? facts = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        return Begin(new DumpArchiveSource(_runner, source, _options, facts));
    }

    /// <inheritdoc/>
    public Extraction FromArchive(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Begin(new FileSource(path));
    }

    /// <inheritdoc/>
    public SchemaTree OpenTree(string directory) => new(directory, this);

    /// <inheritdoc/>
    public async Task<VerifyResult> VerifyAsync(
        SchemaTree tree, NpgsqlDataSource admin, VerifyOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tree);
        var verification = Verification(admin, options);
        return await verification.RunAsync(await tree.ReadAsync(cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<VerifyResult> VerifyAsync(
        NpgsqlDataSource source, NpgsqlDataSource admin, VerifyOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        var verification = Verification(admin, options);
        var snapshot = await From(source).ToSnapshotAsync(cancellationToken: cancellationToken).ConfigureAwait(false);
        return await verification.RunAsync(snapshot, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<VerifyResult> VerifyAsync(
        SchemaSnapshot snapshot, NpgsqlDataSource admin, VerifyOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return Verification(admin, options).RunAsync(snapshot, cancellationToken);
    }

    private Extraction Begin(IArchiveSource source) => new(source, _time, _logger);

    private Verification Verification(NpgsqlDataSource admin, VerifyOptions? options)
    {
        ArgumentNullException.ThrowIfNull(admin);
        return new Verification(this, admin, OptionsCheck.Require(options ?? new VerifyOptions()));
    }

    /// <summary>An archive that exists already: a file, or the directory of a directory archive.</summary>
    private sealed class FileSource(string path) : IArchiveSource
    {
        public IEnumerable<string> Refusals(ExtractionOptions options)
        {
            if (options.Roles)
                yield return "Roles cannot be extracted from an archive, which holds none: extract from a server.";
            if (options.ReferenceTables.Count > 0)
                yield return "Reference data is read from a server; an archive that exists already holds what it holds.";
            if (options.Encoding is not null)
                yield return "Encoding cannot be set: the encoding of an archive that exists already is in it.";
            if (options.KeepArchive is not null)
                yield return "KeepArchive has no meaning for an archive that exists already: copy the file.";
            if (options.MaxBytesPerSecond is not null)
                yield return "MaxBytesPerSecond slows a pg_dump down; an archive that exists already has none.";
            if (!options.Filter.ForeignData.IsEmpty)
                yield return "Filter.ForeignData: rows of foreign tables are dumped by pg_dump; an archive that exists already holds what it holds.";
        }

        public async Task<IOpenArchive> OpenAsync(ExtractionOptions options, CancellationToken cancellationToken) =>
            new Opened(await PgArchive.OpenAsync(path, cancellationToken: cancellationToken).ConfigureAwait(false));

        private sealed class Opened(PgArchive archive) : IOpenArchive
        {
            public PgArchive Archive => archive;

            public ReferenceSession? References => null;

            public IReadOnlyDictionary<string, string> Extensions { get; } = new Dictionary<string, string>();

            public IReadOnlyDictionary<string, string> Session { get; } = new Dictionary<string, string>();

            public Task<IReadOnlyList<PgDumpWarning>> CompleteAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<PgDumpWarning>>([]);

            public Task<string?> DumpRolesAsync(bool includePasswords, CancellationToken cancellationToken) => Task.FromResult<string?>(null);

            public ValueTask DisposeAsync() => archive.DisposeAsync();
        }
    }
}

/// <summary>What will be extracted: a database, or an archive that exists already. Immutable and thread-safe; every call extracts anew.</summary>
public sealed class Extraction
{
    private readonly IArchiveSource _source;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    internal Extraction(IArchiveSource source, TimeProvider time, ILogger logger) => (_source, _time, _logger) = (source, time, logger);

    /// <summary>Extracts into a directory: afterwards it is the new tree, or, after an error, still the old one.</summary>
    /// <param name="directory">The tree; created when missing.</param>
    /// <param name="options">What is written and how; null for all kinds of objects, definitions only.</param>
    /// <param name="progress">Told about ten times a second, and at the end.</param>
    /// <param name="cancellationToken">Ends pg_dump; the tree stays as it was.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options contradict each other, or this source cannot fulfil them: all failures at once.</exception>
    /// <exception cref="ExtractorOptionException">What the database or the archive holds does not go with the options.</exception>
    /// <exception cref="TreeConflictException">Another extraction works on the tree, or something foreign is in the way.</exception>
    /// <exception cref="ReferenceDataException">Rows of a reference table cannot be read.</exception>
    /// <exception cref="IncompleteExtractionException">Objects are missing and <see cref="ExtractionOptions.RequireComplete"/> is set.</exception>
    /// <exception cref="ExtractorException">The archive cannot be made or read.</exception>
    /// <exception cref="IOException">The disk is full or refuses.</exception>
    public Task<ExtractionResult> RunAsync(
        string directory, ExtractionOptions? options = null, IProgress<ExtractionProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        return With(options).ToDirectoryAsync(directory, progress, cancellationToken);
    }

    /// <summary>Extracts definitions into memory, for comparison or inspection.</summary>
    /// <param name="options">What is read; null for all kinds of objects.</param>
    /// <param name="cancellationToken">Ends pg_dump.</param>
    /// <returns>All entries with their SQL text.</returns>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options contradict each other, or this source cannot fulfil them: all failures at once.</exception>
    /// <exception cref="ExtractorException">As <see cref="RunAsync"/>.</exception>
    public Task<SchemaSnapshot> ToSnapshotAsync(ExtractionOptions? options = null, CancellationToken cancellationToken = default) =>
        With(options).ToSnapshotAsync(cancellationToken);

    /// <summary>The options that a schema was extracted with, for this source, so that the two can be compared.</summary>
    /// <param name="snapshot">The schema. Its <see cref="ExtractionOptions.Transforms"/> are not known and must be added again.</param>
    /// <returns>New options.</returns>
    public ExtractionOptions OptionsOf(SchemaSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        var options = OptionText.Read(snapshot.Options);
        // Text that nobody can decode must be read the same way on both sides.
        if (_source is DumpArchiveSource && snapshot.Environment.Encoding is { } encoding && ArchiveEncodings.IsRaw(encoding))
            options.Encoding = encoding;
        return options;
    }

    private ExtractionRun With(ExtractionOptions? options) => new(_source, options ?? new ExtractionOptions(), _time, _logger);
}
