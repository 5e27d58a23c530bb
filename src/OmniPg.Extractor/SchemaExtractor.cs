using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OmniPg.Extractor.Extraction;

namespace OmniPg.Extractor;

/// <summary>Writes every object of a schema into its own file, straight from one pg_dump stream. Stands for PG Extractor. Thread-safe.</summary>
public sealed class SchemaExtractor : IPgExtractor
{
    private readonly ExtractorOptions _options;
    private readonly PgDumpRunner _runner;
    private readonly RunContext _context;

    /// <summary>Creates an extractor.</summary>
    /// <param name="options">Programs and limits; null for the defaults.</param>
    /// <param name="launcher">Starts pg_dump; null for child processes of this one.</param>
    /// <param name="loggerFactory">Takes what happens; null for none.</param>
    /// <param name="timeProvider">Clock for durations; null for the system's.</param>
    public SchemaExtractor(
        ExtractorOptions? options = null, IProcessLauncher? launcher = null, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        _options = options ?? new ExtractorOptions();
        loggerFactory ??= NullLoggerFactory.Instance;
        _runner = new PgDumpRunner(new PgToolLocator(_options.Tools), launcher, loggerFactory.CreateLogger<PgDumpRunner>(), timeProvider);
        _context = new RunContext(timeProvider ?? TimeProvider.System, loggerFactory.CreateLogger<SchemaExtractor>());
    }

    /// <inheritdoc/>
    public ExtractionBuilder From(NpgsqlDataSource dataSource)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        return Begin(new DumpArchiveSource(_runner, PgDumpSource.FromDataSource(dataSource), _options, dataSource));
    }

    /// <inheritdoc/>
    public ExtractionBuilder From(PgDumpSource source, NpgsqlDataSource? facts = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        return Begin(new DumpArchiveSource(_runner, source, _options, facts));
    }

    /// <inheritdoc/>
    public ExtractionBuilder FromArchive(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Begin(new FileArchiveSource(path));
    }

    /// <inheritdoc/>
    public SchemaTree OpenTree(string directory) => new(directory)
    {
        ReadDatabase = (database, like, cancellationToken) => From(database).WithOptionsOf(like).ToSnapshotAsync(cancellationToken),
    };

    private ExtractionBuilder Begin(IArchiveSource source) => new(source, _context);
}
