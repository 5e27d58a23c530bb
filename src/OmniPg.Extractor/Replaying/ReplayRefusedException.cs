namespace OmniPg.Extractor;

/// <summary>A replay was refused before it changed anything.</summary>
public sealed class ReplayRefusedException : ExtractorException
{
    /// <summary>Creates the error.</summary>
    /// <param name="code">What stands in the way: <c>extractor.replay.roles</c>, <c>.secrets</c> or <c>.not-empty</c>.</param>
    /// <param name="message">What stands in the way.</param>
    /// <param name="names">Everything that does, for example all missing roles.</param>
    /// <param name="hint">How to go on.</param>
    public ReplayRefusedException(string code, string message, IReadOnlyList<string> names, string hint)
        : base(code, message, hint) => Names = names;

    /// <summary>Everything that stands in the way: missing roles, redacted entries, objects in the target.</summary>
    public IReadOnlyList<string> Names { get; }
}
