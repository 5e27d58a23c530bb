namespace OmniPg.Shared;

/// <summary>The command line, or a file that it names, asks for something that cannot be.</summary>
internal sealed class UsageException(string message) : Exception(message);
