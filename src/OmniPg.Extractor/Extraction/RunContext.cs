using Microsoft.Extensions.Logging;

namespace OmniPg.Extractor.Extraction;

/// <summary>What every run needs beside its options.</summary>
internal sealed record RunContext(TimeProvider Time, ILogger Logger);
