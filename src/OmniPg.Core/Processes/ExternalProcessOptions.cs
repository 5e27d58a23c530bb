namespace OmniPg;

/// <summary>How to start an external program. There is no shell anywhere: every argument reaches the program as it stands.</summary>
public sealed class ExternalProcessOptions
{
    /// <summary>Program name, looked up in <c>PATH</c>, or its path.</summary>
    public required string FileName { get; set; }

    /// <summary>Arguments, one element each. Default: none. Never put a secret here: other users can read it.</summary>
    public IReadOnlyList<string> Arguments { get; set; } = [];

    /// <summary>Environment on top of this process's own; a <see langword="null"/> value removes the variable. Default: unchanged.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; set; } = new Dictionary<string, string?>();

    /// <summary>Working directory; <see langword="null"/> (default) keeps the current one.</summary>
    public string? WorkingDirectory { get; set; }

    /// <summary>Whether the program reads from <see cref="ExternalProcess.StandardInput"/>. Default <see langword="false"/>: its input is empty.</summary>
    public bool RedirectInput { get; set; }

    /// <summary>Called with each line of standard error, without its end, on a pool thread. Default: none.</summary>
    public Action<string>? OnErrorLine { get; set; }

    /// <summary>How many characters of the end of standard error are kept for error messages. Default 8192.</summary>
    public int ErrorTailLimit { get; set; } = 8192;

    /// <summary>Program and arguments, without the environment, which may hold secrets.</summary>
    public override string ToString() => $"{FileName} {string.Join(' ', Arguments)}";
}
