namespace OmniPg.Jobmon;

/// <summary><c>jobmon.unsupported-version</c>: the installed extension or side schema has a version this package cannot work with.</summary>
public sealed class JobmonUnsupportedVersionException : JobmonException
{
    internal JobmonUnsupportedVersionException(string what, string found, string supported)
        : base(
            "jobmon.unsupported-version",
            $"Version '{found}' of {what} is not supported; supported is '{supported}'.",
            $"Upgrade {what}, or use a package version that matches it.")
    {
        Found = found;
        Supported = supported;
    }

    /// <summary>Version found on the server.</summary>
    public string Found { get; }

    /// <summary>Versions that work.</summary>
    public string Supported { get; }
}
