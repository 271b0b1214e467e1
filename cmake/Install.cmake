# Install rules: headers, static libraries and find_package(evenkeel).
