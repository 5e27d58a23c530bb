namespace OmniPg.Cli;

/// <summary>A program that ended with another exit code than zero; recorded, never thrown.</summary>
internal sealed class ProgramFailedException(string message) : Exception(message);
