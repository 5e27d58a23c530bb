using Microsoft.Extensions.Logging;

namespace OmniPg.Extractor.Diagnostics;

/// <summary>Log messages about trees: event ids 6100 to 6199.</summary>
internal static partial class TreeLog
{
    [LoggerMessage(6100, LogLevel.Information, "Wrote the schema tree {Directory}: {Files} files, {Changed} of them changed.")]
    public static partial void TreeWritten(ILogger logger, string directory, int files, int changed);
}
