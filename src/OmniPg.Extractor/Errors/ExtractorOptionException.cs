namespace OmniPg.Extractor;

/// <summary>Options of an extraction contradict each other or cannot be used; nothing was started.</summary>
public sealed class ExtractorOptionException : ExtractorException
{
    /// <summary>Creates the error.</summary>
    /// <param name="option">The option at fault, as the caller wrote it.</param>
    /// <param name="message">What is wrong with it.</param>
    /// <param name="hint">What to write instead, or null.</param>
    /// <param name="innerException">The cause, or null.</param>
    public ExtractorOptionException(string option, string message, string? hint = null, Exception? innerException = null)
        : base("extractor.option", message, hint, innerException) => Option = option;

    /// <summary>The option at fault.</summary>
    public string Option { get; }
}
