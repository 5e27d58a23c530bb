namespace OmniPg.Jobmon;

/// <summary>
/// <c>jobmon.unsupported-version</c>: the extension, the job log or the side schema has a version that this package cannot work with.
/// <see cref="IJobmonAdmin.InstallAsync"/> upgrades what is older; what is newer is never written to.
/// </summary>
public sealed class JobmonUnsupportedVersionException : JobmonException
{
    internal JobmonUnsupportedVersionException(string what, string found, string supported, string nextStep)
        : base(
            "jobmon.unsupported-version",
            $"Version '{found}' of {what} is not supported; supported is '{supported}'.",
            nextStep)
    {
        Found = found;
        Supported = supported;
    }

    /// <summary>Version found on the server.</summary>
    public string Found { get; }

    /// <summary>Versions that work.</summary>
    public string Supported { get; }
}
