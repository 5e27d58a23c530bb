namespace OmniPg.Extractor;

/// <summary>A replay was refused before it changed anything.</summary>
public sealed class ReplayRefusedException : ExtractorException
{
    /// <summary>Creates the error.</summary>
    /// <param name="reason">Last part of the code: <c>roles</c>, <c>secrets</c>, <c>not_empty</c>.</param>
    /// <param name="message">What stands in the way.</param>
    /// <param name="names">Everything that does, for example all missing roles.</param>
    /// <param name="hint">How to go on.</param>
    public ReplayRefusedException(string reason, string message, IReadOnlyList<string> names, string hint)
        : base("extractor.replay." + reason, message, hint) => Names = names;

    /// <summary>Everything that stands in the way: missing roles, redacted entries, objects in the target.</summary>
    public IReadOnlyList<string> Names { get; }
}
