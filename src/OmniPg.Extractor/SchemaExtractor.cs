using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OmniPg.Extractor.Extraction;

namespace OmniPg.Extractor;

/// <summary>Writes every object of a schema into its own file, straight from one pg_dump stream. Stands for PG Extractor. Thread-safe.</summary>
public sealed class SchemaExtractor : IPgExtractor
{
    private readonly RunContext _context;

    /// <summary>Creates an extractor.</summary>
    /// <param name="logger">Takes what happens; null for none.</param>
    /// <param name="timeProvider">Clock for durations; null for the system's.</param>
    public SchemaExtractor(ILogger<SchemaExtractor>? logger = null, TimeProvider? timeProvider = null) =>
        _context = new RunContext(timeProvider ?? TimeProvider.System, logger ?? (ILogger)NullLogger.Instance);

    /// <inheritdoc/>
    public ExtractionBuilder FromArchive(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new ExtractionBuilder(new FileArchiveSource(path), _context);
    }

    /// <inheritdoc/>
    public SchemaTree OpenTree(string directory) => new(directory);
}
