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
        return Begin(new FileArchiveSource(path));
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
}
